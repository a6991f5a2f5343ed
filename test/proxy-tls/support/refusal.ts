// What a screen or a parser of the proxy refuses, in a form that a test compares in one line.
import { RefusedError } from "../../../src/proxy-tls/http/refusal.ts";

/**
 * The status and the reason with which `action` refuses; undefined where it does not. Any other error is thrown on: a refusal by accident
 * is none.
 */
export function refusalOf(action: () => unknown): readonly [status: number, reason: string] | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof RefusedError) return [error.refusal.status, error.refusal.reason];
    throw error;
  }
}
