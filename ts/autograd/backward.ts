/**
 * Reverse-mode differentiation over the tape.
 *
 *     collect the nodes that the root depends on, newest first
 *     check that each can still run
 *     for each node: gradients of its outputs → gradients of its inputs, added up where paths meet
 *     add what arrived at the leaves to their `grad`
 *     release the nodes
 *
 * Nodes are numbered in the order of the forward pass, so "newest first" is an order in which every node comes after
 * all that depend on it. Nothing recurses: a graph may be as long as memory allows. Leaves are written to at the end
 * only, so after an error in between no gradient has changed.
 */

import { converted, dtypeOf } from '../dtype'
import { type Floats, native } from '../native'
import type { Destination, GraphNode } from './node'
import { Variable } from './variable'

/** A gradient on its way. `owned`: nobody else reads the array, so it may be added to and kept. */
interface Pending {
  array: Floats
  owned: boolean
}

/** Adds the gradients of `root` with respect to all leaves before it to theirs; `seed` is the gradient of `root` itself. */
export function runBackward(root: Variable, seed: Floats): void {
  const leaves = new Map<Variable, Pending>()
  const outputs = new Map<GraphNode, (Pending | null)[]>()

  const deliver = (to: Destination, array: Floats, owned: boolean): void => {
    if (to instanceof Variable) {
      leaves.set(to, merged(leaves.get(to) ?? null, array, owned))
      return
    }
    const slots = outputs.get(to.node) ?? new Array<Pending | null>(to.node.outputs).fill(null)
    slots[to.output] = merged(slots[to.output] ?? null, array, owned)
    outputs.set(to.node, slots)
  }

  const nodes = collect(root)
  for (const node of nodes) node.check()

  deliver(root.origin ?? root, seed, false)
  for (const node of nodes) {
    const incoming = outputs.get(node)
    outputs.delete(node)
    if (incoming === undefined) continue
    const gradients = incoming.map((pending) => pending?.array ?? null)
    node.run(gradients).forEach((array, place) => {
      const parent = node.parents[place]
      if (array && parent) deliver(parent, array, !gradients.includes(array))
    })
  }

  for (const leaf of leaves.keys()) leaf.grad?.values() // checked before the first is changed
  for (const [leaf, { array, owned }] of leaves) accumulate(leaf, array, owned)
  for (const node of nodes) node.release()
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

/** The sum of what has arrived so far and `array`. */
function merged(before: Pending | null, array: Floats, owned: boolean): Pending {
  if (before === null) return { array, owned }
  if (before.owned) {
    native.accumulate(before.array, array)
    return before
  }
  const total = before.array.slice()
  native.accumulate(total, array)
  return { array: total, owned: true }
}

/** Adds `array` to the gradient of a leaf; an existing gradient is changed in place. */
function accumulate(leaf: Variable, array: Floats, owned: boolean): void {
  if (!leaf.requiresGrad) return // frozen since the forward pass
  const same = dtypeOf(array) === leaf.dtype // not if its module has changed dtype since
  const source = same ? array : converted(array, leaf.dtype)
  if (leaf.grad === null)
    leaf.grad = Variable.of(same && !owned ? source.slice() : source, leaf.shape)
  else leaf.grad.mutate((grad) => native.accumulate(grad, source))
}
