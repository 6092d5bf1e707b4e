/** All contenders, each in its process. One that cannot be had does not stop the others. */

import { join } from 'node:path'
import { typescript } from '../lib/node'
import { Child } from './child'
import { type Contender, type ContenderName, type Field, Refusal, type Settings } from './contender'
import { openPython } from './python'

/** Contenders that come from the npm packages of bench/. */
export const fromPackages: readonly ContenderName[] = ['ort', 'tfjs']

export async function openAll(names: readonly ContenderName[], settings: Settings): Promise<Field> {
  const contenders: Contender[] = []
  const missing: { name: ContenderName; reason: string }[] = []
  const field = { contenders, missing }
  try {
    for (const name of names) {
      const opened =
        name === 'torch' || name === 'jax'
          ? await openPython(name, settings)
          : await openNode(name, settings)
      if (opened instanceof Refusal) missing.push({ name, reason: opened.reason })
      else contenders.push(opened)
    }
  } catch (error) {
    closeAll(field)
    throw error
  }
  return field
}

export function closeAll({ contenders }: Field): void {
  for (const contender of contenders) contender.close()
}

/** Opens a contender that runs in Node. */
async function openNode(name: ContenderName, settings: Settings): Promise<Contender | Refusal> {
  const opened = await openProcess(name, settings)
  return opened instanceof Refusal ? opened : { name, ...opened }
}

/** Opens what serve.ts knows by this name. */
export async function openProcess(
  name: string,
  settings: Settings,
): Promise<Omit<Contender, 'name'> | Refusal> {
  const serve = join(__dirname, 'serve.ts')
  const child = new Child(process.execPath, [...typescript, serve, name, JSON.stringify(settings)])
  const version = await child.version()
  if (version instanceof Refusal) {
    child.close()
    return version
  }
  return { version, prepare: (work) => child.prepare(work), close: () => child.close() }
}
