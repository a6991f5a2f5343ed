// What every matcher of a policy's field is.

/** The values of one field, compiled: whether one of them fits. */
export interface Matcher<Value> {
  matches(value: Value): boolean;
}

/** Told what is wrong with the value at `index`; throws. */
export type Refuse = (index: number, sentence: string) => never;

/** Values that are compared exactly. */
export function oneOf<Value>(values: readonly Value[]): Matcher<Value> {
  const set = new Set(values);
  return { matches: (value) => set.has(value) };
}
