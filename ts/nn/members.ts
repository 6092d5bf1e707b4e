/** What a module holds in its fields: parameters, children, and lists and dictionaries of them. */

import { types } from 'node:util'
import { brandOf } from '../brand'
import { describe, isPlainObject } from '../check'
import type { DType } from '../dtype'
import { Tensor, variableOf } from '../tensor/tensor'

/** A parameter, a child, or a list or dictionary of them. */
export type Member<M> = M | Tensor<DType> | Group<M>

/** An array, or a plain object, with members: torch's `ModuleList` and `ModuleDict`. */
export class Group<M> {
  readonly kind: 'List' | 'Dict'
  /** The members; null where there is null, as torch's lists may hold it. */
  readonly entries: readonly (readonly [name: string, member: Member<M> | null])[]

  constructor(kind: Group<M>['kind'], entries: Group<M>['entries']) {
    this.kind = kind
    this.entries = entries
  }
}

/** Modules or parameters that are no members, since a `Map`, a `Set` or an object of another class holds them. */
export interface Stray<M> {
  /** The field, with the module's class. */
  readonly where: string
  readonly holder: object
  readonly held: readonly (M | Tensor<DType>)[]
}

/** What was found in the fields of one module. */
export interface Fields<M> {
  readonly members: readonly (readonly [name: string, member: Member<M>])[]
  /** What is wrong with them. */
  readonly problems: readonly Error[]
  readonly strays: readonly Stray<M>[]
}

/** The test for modules, whose class is above this file. */
export type IsModule<M> = (value: object) => value is M & object

/** Of a place: for one member, or for a list or dictionary. */
type Kind = 'parameter' | 'child module' | 'group'

/**
 * The fields of each module, and the places in its lists, that hold or held a member. They are for members only: a
 * tensor that is assigned to the place of a parameter is one too, whether it requires a gradient or not.
 */
const declarations = new WeakMap<object, Map<string, Kind>>()

/** Lists, dictionaries and others with more values than this, and no member, are data: looked through once. */
const manyValues = 100

/** Data, with the number of its entries at the time: what is appended to an array later is looked at. */
const data = new WeakMap<object, number>()

/** Declares fields as parameters, before any tensor was found in them. */
export function declareParameters(module: object, names: Iterable<string>): void {
  const declared = declarationsOf(module)
  for (const name of names) declared.set(name, 'parameter')
}

/** Finds the members of a module among its own enumerable fields. No getter runs. */
export function fieldsOf<M>(module: M & object, isModule: IsModule<M>): Fields<M> {
  return new Search(isModule, module.constructor.name, declarationsOf(module)).fields(module)
}

/** The modules and parameters in a member, with their names. */
export function* leavesOf<M>(
  name: string,
  member: Member<M> | null,
): Generator<readonly [name: string, leaf: M | Tensor<DType>]> {
  if (member instanceof Group) {
    for (const [key, item] of member.entries) yield* leavesOf(`${name}.${key}`, item)
  } else if (member !== null) yield [name, member]
}

class Search<M> {
  readonly #isModule: IsModule<M>
  readonly #owner: string
  readonly #declared: Map<string, Kind>
  /** Whether objects of other classes are looked into: one level deep. */
  readonly #looksInside: boolean
  readonly #problems: Error[] = []
  /** The problems that are objects of another copy of this package. */
  readonly #copies: Error[] = []
  readonly #strays: Stray<M>[] = []
  /** The number of values that were looked at. */
  #seen = 0
  /** The lists and dictionaries around the value that is looked at. */
  readonly #around: object[] = []

  constructor(
    isModule: IsModule<M>,
    owner: string,
    declared: Map<string, Kind>,
    looksInside = true,
  ) {
    this.#isModule = isModule
    this.#owner = owner
    this.#declared = declared
    this.#looksInside = looksInside
  }

  fields(module: object): Fields<M> {
    const members: [string, Member<M>][] = []
    for (const [name, value] of dataOf(module)) {
      const member = this.#look(name, name, value)
      if (member !== null) members.push([name, member])
    }
    return { members, problems: [...this.#problems, ...this.#copies], strays: this.#strays }
  }

  /** @param path the names that lead to the value, of which `name` is the last. */
  #look(path: string, name: string, value: unknown): Member<M> | null {
    this.#seen += 1
    const member = this.#member(path, value)
    if (member === null) {
      const kind = value == null ? undefined : this.#declared.get(path)
      if (kind !== undefined && !(kind === 'group' && isGroup(value))) {
        this.#problems.push(this.#misfit(path, kind, value))
      }
      return null
    }
    if (name === '' || name.includes('.')) this.#problems.push(misnomer(name, member))
    this.#declared.set(path, kindOf(member))
    return member
  }

  #member(path: string, value: unknown): Member<M> | null {
    if (typeof value !== 'object' || value === null) return null
    if (this.#isModule(value)) return value
    if (value instanceof Tensor) {
      const variable = variableOf(value)
      if (variable === null) {
        this.#problems.push(
          new TypeError(`${this.#owner}.${path} holds ${describe(value)}, not a Tensor`),
        )
        return null
      }
      if (variable.origin !== null) return null
      return variable.isParameter || this.#declared.get(path) === 'parameter' ? value : null
    }
    if (isGroup(value)) return this.#group(path, value)
    this.#lookInside(path, value)
    return null
  }

  #group(path: string, value: object): Group<M> | null {
    if (this.#around.includes(value)) return null
    const list = Array.isArray(value) ? (value as readonly unknown[]) : null
    const known = data.get(value)
    if (known !== undefined && list === null) return null
    const start = known !== undefined && list !== null && known <= list.length ? known : 0
    const before = this.#seen
    const reports = this.#reports()
    if (list !== null) this.#seen += list.length - start
    const entries: [string, Member<M> | null][] = []
    this.#around.push(value)
    const items = list === null ? dataOf(value) : itemsOf(list, start, this.#declared.has(path))
    for (const [name, item] of items) {
      const member = this.#look(`${path}.${name}`, name, item)
      if (member !== null || item === null) entries.push([name, member])
    }
    this.#around.pop()
    if (entries.some(([, member]) => member !== null)) {
      return new Group(list === null ? 'Dict' : 'List', entries)
    }
    if (this.#reports() === reports && this.#seen - before > manyValues)
      data.set(value, list?.length ?? 0)
    return null
  }

  /** Finds what an object of another class holds. */
  #lookInside(path: string, holder: object): void {
    if (ArrayBuffer.isView(holder)) return
    const where = `${this.#owner}.${path}`
    const brand = brandOf(holder)
    if (brand !== null) {
      if (brand === 'Module' || Reflect.get(holder, 'requiresGrad') === true) {
        this.#copies.push(otherCopy(where, holder))
      }
      return
    }
    if (!this.#looksInside) return
    const collection = types.isMap(holder) || types.isSet(holder) ? holder : null
    const size = collection?.size ?? 0
    if (data.get(holder) === size) return
    const search = new Search<M>(this.#isModule, where, new Map(), false)
    const found = search.#leaves(collection === null ? dataOf(holder) : contentsOf(collection))
    // An optimizer holds parameters, as other objects may.
    const held = collection === null ? found.filter((leaf) => !(leaf instanceof Tensor)) : found
    if (collection !== null) this.#copies.push(...search.#copies)
    if (held.length > 0) this.#strays.push({ where, holder, held })
    else if (search.#reports() === 0 && search.#seen > manyValues) data.set(holder, size)
  }

  #reports(): number {
    return this.#problems.length + this.#copies.length + this.#strays.length
  }

  #leaves(entries: Iterable<readonly [string, unknown]>): (M | Tensor<DType>)[] {
    const found: (M | Tensor<DType>)[] = []
    for (const [name, value] of entries) {
      for (const [, leaf] of leavesOf(name, this.#look(name, name, value))) found.push(leaf)
    }
    return found
  }

  /** The error of a value in the place of a member. */
  #misfit(path: string, kind: Kind, value: unknown): TypeError {
    const [what, expected] =
      kind === 'parameter' ? [kind, 'leaf Tensor'] : ['child module', 'nn.Module']
    const result = variableOf(value)?.origin?.node.name
    const remedy = result === undefined ? '' : `; got a result, grad_fn=<${result}>: use detach()`
    return new TypeError(
      `cannot assign ${describe(value)} as ${what} '${path}' of ${this.#owner} (${expected} or null expected)${remedy}`,
    )
  }
}

function declarationsOf(module: object): Map<string, Kind> {
  let declared = declarations.get(module)
  if (declared === undefined) {
    declared = new Map()
    declarations.set(module, declared)
  }
  return declared
}

/** The own enumerable properties that are no accessors. */
function dataOf(object: object): (readonly [name: string, value: unknown])[] {
  const found: [string, unknown][] = []
  for (const name of Object.keys(object)) {
    const property = Object.getOwnPropertyDescriptor(object, name)
    if (property !== undefined && 'value' in property) found.push([name, property.value])
  }
  return found
}

/** The elements of a list; without its numbers and strings, which are no members, unless `all` are wanted. */
function* itemsOf(
  list: readonly unknown[],
  start: number,
  all: boolean,
): Generator<readonly [name: string, value: unknown]> {
  for (let place = start; place < list.length; place += 1) {
    const item = list[place]
    if (all || typeof item === 'object') yield [String(place), item]
  }
}

/** What a `Map` or `Set` holds, of any realm. */
function contentsOf(
  collection: ReadonlyMap<unknown, unknown> | ReadonlySet<unknown>,
): [string, unknown][] {
  const found: [string, unknown][] = []
  collection.forEach((value: unknown, key: unknown) => {
    found.push(['key', key], ['value', value])
  })
  return found
}

/** Whether a value is an array or a plain object, of any realm. */
function isGroup(value: unknown): boolean {
  return Array.isArray(value) || isPlainObject(value)
}

function kindOf(member: unknown): Kind {
  if (member instanceof Tensor) return 'parameter'
  return member instanceof Group ? 'group' : 'child module'
}

/** The error of a name that would be read as two, or as none. */
function misnomer(name: string, member: unknown): RangeError {
  const kind = member instanceof Tensor ? 'parameter' : 'module'
  return new RangeError(
    name === ''
      ? `${kind} name can't be empty string ""`
      : `${kind} name can't contain ".", got: ${name}`,
  )
}

function otherCopy(where: string, value: object): TypeError {
  return new TypeError(
    `${where} holds a ${describe(value)}, which is no part of this model: ` +
      'see that the program loads the package once (npm ls @elman/rnn)',
  )
}
