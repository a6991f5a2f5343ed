// being written
export class ActiveAuthority {}
