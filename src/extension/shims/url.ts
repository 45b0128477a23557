/** The web has of itself what the debug adapter library wants of Node's `url`. */

export const { URL } = globalThis;
