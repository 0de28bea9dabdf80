/** Thrown by a transition that breaks an invariant. */
export class Violation extends Error {
  override readonly name = 'Violation';
}
