// being written
export function buildTrustSet(): void {}
