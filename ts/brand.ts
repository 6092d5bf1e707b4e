/** Marks on the prototypes of classes, by which a second copy of this package knows the objects of the first. */

export const brands = {
  Module: Symbol.for('@elman/rnn/Module'),
  Tensor: Symbol.for('@elman/rnn/Tensor'),
} as const

/** Marks the objects of a class. */
export function brand(prototype: object, name: keyof typeof brands): void {
  Object.defineProperty(prototype, brands[name], { value: true })
}

/** What an object that is none of this copy's is in another copy; null if it is nothing of the kind. */
export function brandOf(value: object): keyof typeof brands | null {
  if (brands.Module in value) return 'Module'
  return brands.Tensor in value ? 'Tensor' : null
}
