// The bench's side of a load client (a process of its own): sends one order at a time over IPC and waits for its answer.
import type { ChildProcess } from "node:child_process";

interface Failed {
  readonly kind: "failed";
  readonly sentence: string;
}

export class Orders<To extends object, From extends { readonly kind: string }> {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @throws Error where the client answers that it failed, answers another kind, or ends */
  ask<K extends From["kind"]>(order: To, kind: K): Promise<Extract<From, { kind: K }>> {
    const answer = this.answer(kind);
    this.#child.send(order);
    return answer;
  }

  answer<K extends From["kind"]>(kind: K): Promise<Extract<From, { kind: K }>> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`the load client ended with ${code}`));
      this.#child.once("exit", ended);
      this.#child.once("message", (message: From | Failed) => {
        this.#child.off("exit", ended);
        if (isKind<From, K>(message, kind)) resolve(message);
        else if (isFailed(message)) reject(new Error(`the load client failed: ${message.sentence}`));
        else reject(new Error(`unexpected ${message.kind}`));
      });
    });
  }

  close(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}

function isKind<From extends { readonly kind: string }, K extends From["kind"]>(
  message: From | Failed,
  kind: K,
): message is Extract<From, { kind: K }> {
  return message.kind === kind;
}

function isFailed(message: { readonly kind: string }): message is Failed {
  return message.kind === "failed";
}
