// A bound on what goes on at once: more is refused rather than queued, so that what is under way stays fast.
import { ApiError } from "./api-error.ts";

export class Places {
  readonly #max: number;
  #taken = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Runs `work` in one of the places. @throws ApiError MCA_OVERLOADED where all are taken */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#taken >= this.#max) {
      throw new ApiError(
        "MCA_OVERLOADED",
        "This server issues as many certificates at once as it may. Try again in a second, or another replica.",
      );
    }
    this.#taken++;
    try {
      return await work();
    } finally {
      this.#taken--;
    }
  }
}
