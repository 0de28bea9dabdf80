/** Stands for "not asked for" in every field of authorized operations (KIP-430). Otherwise a bit per ACL operation. */
export const AUTHORIZED_OPERATIONS_UNKNOWN = -(2 ** 31);
