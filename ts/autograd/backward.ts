/**
 * Reverse-mode differentiation over the tape.
 *
 *     collect the nodes that the root depends on, newest first
 *     check that each can still run
 *     for each node: gradients of its outputs → gradients of its inputs, added up where paths meet
 *     add what arrived at the leaves to their `grad`
 *     release the nodes
 *
 * Nodes are numbered in the order of the forward pass, so "newest first" is a topological order: every node comes after
 * all that depend on it. There is no recursion, so only memory limits the length of a graph. Leaves are written at the
 * end, so after an error no gradient has changed.
 *
 * {@link runBackwardAsync} does the same in several time slices. A node with much work runs on another thread, on
 * copies, and compares its fingerprint with that of the copies. So a change of a saved value in the meantime is an
 * error or has no effect. Until the end, other backward passes through the same nodes are refused.
 */

import { Background, denormalsAsNow, NotInBackground, TimeSlices } from '../background'
import { allocate, converted, dtypeOf, overlap } from '../dtype'
import { throwIfAborted } from '../foreign'
import { type Floats, native } from '../native'
import { type Destination, type GraphNode, Variable } from './variable'

/** A gradient that is not delivered yet. `owned`: nothing else reads the array, so it may be written to and kept. */
interface Pending {
  array: Floats
  owned: boolean
}

type Gradients = readonly (Floats | null)[]

/** The work (see `Operation.work`) below which a node runs on this thread: a fraction of a millisecond. */
const SHORT = 2 ** 18

/** Elements of a sum in one part; the event loop may run between parts. */
const PART = 2 ** 20

/** An elementwise operation; `run` covers the elements from `from` to `to`. */
interface Elementwise {
  readonly length: number
  readonly run: (from: number, to: number) => void
}

/**
 * Adds the gradients of `root` with respect to its leaves to their `grad`.
 *
 * @param seed the gradient of `root` itself; only read, and not kept.
 */
export function runBackward(root: Variable, seed: Floats): void {
  const pass = new Pass(root, ({ length, run }) => run(0, length))
  pass.begin(seed)
  for (const node of pass.nodes) {
    const gradients = pass.arrived(node)
    if (gradients === null) continue
    node.verify()
    pass.deliver(node, gradients, node.run(gradients))
  }
  pass.finish()
}

/** The same off the event loop. The call itself checks the nodes and claims them, before it returns its promise. */
export async function runBackwardAsync(
  root: Variable,
  seed: Floats,
  signal: AbortSignal | null,
): Promise<void> {
  throwIfAborted(signal)
  const sums: Elementwise[] = []
  const pass = new Pass(root, (sum) => sums.push(sum))
  const slices = new TimeSlices()
  const asBegun = denormalsAsNow()
  for (const node of pass.nodes) node.claim()
  try {
    pass.begin(seed)
    for (const node of pass.nodes) {
      const gradients = pass.arrived(node)
      if (gradients === null) continue
      const results = await run(node, gradients, { slices, asBegun }, signal)
      pass.deliver(node, gradients, results)
      for (const sum of sums.splice(0)) {
        for (let from = 0; from < sum.length; from += PART) {
          asBegun(() => sum.run(from, Math.min(from + PART, sum.length)))
          await slices.pause()
        }
      }
      throwIfAborted(signal)
    }
    for (const node of pass.nodes) node.recheck()
    asBegun(() => pass.finish())
  } finally {
    for (const node of pass.nodes) node.leave()
  }
}

/** The gradients of a node's inputs, on another thread if that takes long. */
async function run(
  node: GraphNode,
  gradients: Gradients,
  { slices, asBegun }: { slices: TimeSlices; asBegun: ReturnType<typeof denormalsAsNow> },
  signal: AbortSignal | null,
): Promise<Gradients> {
  await slices.pause()
  if (node.work >= SHORT) {
    const background = new Background(slices)
    try {
      for (const array of [...node.reads(), ...gradients]) {
        if (array !== null) await background.copy(array)
      }
      const results = asBegun(() =>
        background.record(() => {
          node.verify()
          return node.run(gradients)
        }),
      )
      await background.run(signal)
      for (const array of results) {
        if (array !== null && !gradients.includes(array)) await background.copyBack(array)
      }
      return results
    } catch (error) {
      if (!(error instanceof NotInBackground)) throw error
    } finally {
      background.release()
    }
  }
  node.recheck()
  node.verify()
  return asBegun(() => node.run(gradients))
}

/** One backward pass over the tape. */
class Pass {
  /** Every node that the root depends on, the newest first. */
  readonly nodes: readonly GraphNode[]
  readonly #root: Variable
  readonly #leaves = new Map<Variable, Pending>()
  readonly #outputs = new Map<GraphNode, (Pending | null)[]>()

  /** Computes a sum of gradients, before the next node runs. */
  readonly #carryOut: (sum: Elementwise) => void

  /** @throws Error unless every node can run. */
  constructor(root: Variable, carryOut: (sum: Elementwise) => void) {
    this.#root = root
    this.#carryOut = carryOut
    this.nodes = collect(root)
    for (const node of this.nodes) node.check()
  }

  begin(seed: Floats): void {
    this.#deliver(this.#root.origin ?? this.#root, seed, false)
  }

  /** Removes and returns the gradients of a node's outputs, which are complete by then; null if there are none. */
  arrived(node: GraphNode): Gradients | null {
    const incoming = this.#outputs.get(node)
    this.#outputs.delete(node)
    return incoming?.map((pending) => pending?.array ?? null) ?? null
  }

  /** Hands the gradients of a node's inputs to its parents. */
  deliver(node: GraphNode, gradients: Gradients, results: Gradients): void {
    results.forEach((array, place) => {
      const parent = node.parents[place]
      if (array && parent) this.#deliver(parent, array, !gradients.includes(array))
    })
  }

  /** Adds what has arrived to the gradients of the leaves, and releases the nodes. */
  finish(): void {
    const before: Floats[] = []
    for (const { grad } of this.#leaves.keys()) {
      if (grad !== null) before.push(grad.values()) // checked before the first is changed
    }
    for (const [leaf, { array, owned }] of this.#leaves) {
      // An array that is not owned may overlap a leaf's gradient, which is about to be written.
      if (!owned && before.some((grad) => overlap(grad, array))) {
        this.#leaves.set(leaf, { array: array.slice(), owned: true })
      }
    }
    for (const [leaf, { array, owned }] of this.#leaves) accumulate(leaf, array, owned)
    for (const node of this.nodes) node.release()
  }

  #deliver(to: Destination, array: Floats, owned: boolean): void {
    if (to instanceof Variable) {
      this.#leaves.set(to, this.#merged(this.#leaves.get(to) ?? null, array, owned))
      return
    }
    const slots =
      this.#outputs.get(to.node) ?? new Array<Pending | null>(to.node.outputs).fill(null)
    slots[to.output] = this.#merged(slots[to.output] ?? null, array, owned)
    this.#outputs.set(to.node, slots)
  }

  /** The sum of what has arrived so far and `array`. */
  #merged(before: Pending | null, array: Floats, owned: boolean): Pending {
    if (before === null) return { array, owned }
    const { length } = array
    let total = before.array
    if (!before.owned) {
      total = allocate(dtypeOf(array), length)
      const run = (from: number, to: number): void =>
        total.set(before.array.subarray(from, to), from)
      this.#carryOut({ length, run })
    }
    const run = (from: number, to: number): void =>
      native.accumulate(total.subarray(from, to), array.subarray(from, to))
    this.#carryOut({ length, run })
    return { array: total, owned: true }
  }
}

/** Every node that `root` depends on, the newest first. */
function collect(root: Variable): GraphNode[] {
  const found = new Set<GraphNode>()
  const open = root.origin === null ? [] : [root.origin.node]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (found.has(node)) continue
    found.add(node)
    for (const parent of node.parents) {
      if (parent !== null && !(parent instanceof Variable)) open.push(parent.node)
    }
  }
  return [...found].sort((a, b) => b.order - a.order)
}

/** Adds `array` to the gradient of a leaf; an existing gradient is changed in place. */
function accumulate(leaf: Variable, array: Floats, owned: boolean): void {
  if (!leaf.requiresGrad) return // frozen since the forward pass
  const same = dtypeOf(array) === leaf.dtype // not if its module has changed dtype since
  const source = same ? array : converted(array, leaf.dtype)
  if (leaf.grad === null) leaf.grad = Variable.made(leaf, same && !owned ? source.slice() : source)
  else leaf.grad.mutate((grad) => native.accumulate(grad, source))
}
