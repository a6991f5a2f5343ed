// Settings under which everybody knows a new authority after five seconds, for tests and benches that rotate in real time.
export const QUICK_ROTATION = { refreshHintSeconds: 1, propagationFloorSeconds: 1, rotatorTickSeconds: 1 } as const;
