// Who is in progress. A Set would do, but that each of its tables holds who was in it when it was outgrown, and the next table: once one
// has become old, everybody who ever is in a table lives until V8 next collects everything.

/** Has one place in one roster; -1: none. The roster's to change. */
export interface Listed {
  place: number;
}

export class Roster<Member extends Listed> {
  readonly #members: Member[] = [];

  get size(): number {
    return this.#members.length;
  }

  add(member: Member): void {
    member.place = this.#members.push(member) - 1;
  }

  /** @returns whether it was in */
  delete(member: Member): boolean {
    const { place } = member;
    if (this.#members[place] !== member) return false;
    const last = this.#members.pop();
    if (last !== undefined && last !== member) {
      this.#members[place] = last;
      last.place = place;
    }
    member.place = -1;
    return true;
  }

  /** Those who are in now, in no order: some may leave while they are looked at. */
  all(): readonly Member[] {
    return this.#members.slice();
  }
}
