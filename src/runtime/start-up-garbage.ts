// What start-up leaves behind on the heap: sources that were compiled, the parsed configuration, modules' scaffolding. V8 would keep its
// pages for as long as nothing makes it collect, which is for ever in an idle server.

/**
 * Gives it back to the system: about 18 MB of resident memory, for some 50 ms once, before anybody is served. Does nothing where Node
 * runs without --expose-gc (package.json, config.nodeFlags, has it).
 */
export function collectStartUpGarbage(): void {
  globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
}
