/** All contenders. Each is loaded only when it is wanted: a peer that is not installed does not stop the others. */

import { type Contender, type ContenderName, type Open, Refusal, type Settings } from './contender'
import { open as openOurs } from './ours'
import { open as openPython } from './python'

const openers: Record<ContenderName, Open> = {
  ours: () => openOurs('ours'),
  tape: () => openOurs('tape'),
  torch: (settings) => openPython('torch', settings),
  jax: (settings) => openPython('jax', settings),
  ort: (settings) => openModule('./onnxruntime', settings),
  tfjs: (settings) => openModule('./tfjs', settings),
}

/** Contenders that come from the npm packages of bench/. */
export const fromPackages: readonly ContenderName[] = ['ort', 'tfjs']

async function openModule(path: string, settings: Settings): Promise<Contender | Refusal> {
  try {
    const { open } = require(path) as { open: Open }
    return await open(settings)
  } catch (error) {
    return new Refusal(`it cannot be loaded: ${String(error).split('\n')[0]}`)
  }
}

/** Those that could be had, and why the others could not. */
export interface Field {
  readonly contenders: readonly Contender[]
  readonly missing: readonly { readonly name: ContenderName; readonly reason: string }[]
}

export async function openAll(names: readonly ContenderName[], settings: Settings): Promise<Field> {
  const contenders: Contender[] = []
  const missing: { name: ContenderName; reason: string }[] = []
  for (const name of names) {
    const opened = await openers[name](settings)
    if (opened instanceof Refusal) missing.push({ name, reason: opened.reason })
    else contenders.push(opened)
  }
  return { contenders, missing }
}

export async function closeAll({ contenders }: Field): Promise<void> {
  for (const contender of contenders) await contender.close()
}
