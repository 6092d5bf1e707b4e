/**
 * A run that its output folder keeps: `settings.json` with its settings, and checkpoints, which `--resume`
 * continues from. A resumed run does exactly what it would have done without the break.
 */

import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import {
  type DType,
  type Json,
  loadCheckpoint,
  type nn,
  type optim,
  saveCheckpoint,
} from '@elman/rnn'
import { type Command, Option } from 'commander'
import { makeFolder, readText, withReason, writeText } from './files'
import { Stopped, UserError } from './program'

/** What learns. */
export interface Parts {
  model: nn.Module<DType>
  optimizer: optim.Optimizer<object>
  scheduler?: optim.lrScheduler.LRScheduler<object>
}

interface PlaceOptions {
  output: string
  resume?: true
  overwrite?: true
}

/** Adds the options that say where a run is kept, and what becomes of one that is there. */
export function addRunOptions(command: Command, output: string): Command {
  return command
    .option('--output <folder>', 'where the results go', output)
    .addOption(
      new Option(
        '--resume',
        'continue the run in the output folder where it stopped, with its settings',
      ).conflicts('overwrite'),
    )
    .option('--overwrite', 'replace the run in the output folder')
}

const isCheckpoint = (name: string) => /^checkpoint.*\.(safetensors|json)$/.test(name)

/** The names of the checkpoints in a folder, none if it is not there. */
const checkpointsIn = (folder: string) =>
  statSync(folder, { throwIfNoEntry: false })?.isDirectory()
    ? withReason(`cannot read ${folder}`, () => readdirSync(folder)).filter(isCheckpoint)
    : []

/** A name as part of a file's name: "Jordan, taught" → "-jordan-taught". */
const suffix = (name: string) =>
  name === '' ? '' : `-${name.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`

/** Whether all numbers of a value, or of a tensor's data, are finite. */
function areFinite(value: Json | Float32Array | Float64Array): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return true
  return ArrayBuffer.isView(value)
    ? value.every((number: number) => Number.isFinite(number))
    : Object.values(value).every(areFinite)
}

/** The run of a program that has read its command line. */
export class SavedRun {
  readonly output: string
  readonly #resumed: boolean
  readonly #command: Command
  readonly #settings: Readonly<Record<string, Json>>
  /** Whether the checkpoints in the folder are this run's. */
  #own: boolean

  /**
   * Looks at the output folder, and makes it if it is not there. With `--resume`, the command's settings become
   * those of the run in the folder.
   *
   * @param command has read the command line
   * @param names the settings: the options that a run cannot change on its way
   * @param changeable those of them that it can change after all
   * @throws {UserError} when there is no run to resume, or one that nobody said to replace
   */
  constructor(command: Command, names: readonly string[], changeable: readonly string[] = []) {
    const { output, resume, overwrite } = command.opts<PlaceOptions>()
    const there = checkpointsIn(output).length > 0
    if (resume) {
      if (!there) throw new UserError(`there is no run in ${output} to resume`)
      takeSettings(command, readSettings(output, names), changeable)
    } else if (there && !overwrite) {
      throw new UserError(
        `there is a run in ${output} already: --resume continues it, --overwrite replaces it, ` +
          'and --output FOLDER leaves it and writes elsewhere',
      )
    }
    makeFolder(output)
    this.output = output
    this.#resumed = this.#own = resume ?? false
    this.#command = command
    this.#settings = Object.fromEntries(
      names.map((name) => [name, command.getOptionValue(name) ?? null]),
    )
  }

  /** Before the first checkpoint of a run: those of the run that it replaces go, and its settings are written. */
  #begin(): void {
    if (!this.#own) {
      for (const name of checkpointsIn(this.output)) {
        const path = join(this.output, name)
        withReason(`cannot remove ${path}`, () => rmSync(path))
      }
      this.#own = true
    }
    const settings = `${JSON.stringify(this.#settings, null, 2)}\n`
    writeText(join(this.output, 'settings.json'), settings)
  }

  /** Writes a checkpoint; `stage` tells the checkpoints of a run with several networks apart. */
  save(parts: Parts, extra: Json, stage = ''): void {
    if (!areFinite(extra) || !parts.model.parameters().every(({ data }) => areFinite(data))) {
      const hint = 'rate' in this.#settings ? '; a smaller --rate may help' : ''
      throw new UserError(`the loss grew until it was no number any more${hint}`)
    }
    this.#begin()
    const path = this.file('checkpoint', stage)
    withReason(`cannot write ${path}`, () => saveCheckpoint({ ...parts, extra }, path))
  }

  /** Loads a checkpoint into what learns; gives its `extra`, `undefined` if there is nothing to continue from. */
  load(parts: Parts, stage = ''): Json | undefined {
    const path = this.file('checkpoint', stage)
    if (!this.#resumed || !existsSync(path)) return undefined
    return withReason(`cannot read ${path}`, () => {
      try {
        return loadCheckpoint(path, parts)
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
        throw new UserError(`${path} cannot be resumed: ${error.message}`)
      }
    })
  }

  /** The path of a safetensors file in the output folder. */
  file(name: string, stage = ''): string {
    return join(this.output, `${name}${suffix(stage)}.safetensors`)
  }

  /** As {@link save}, for a run without a network of its own. */
  saveNotes(notes: Json): void {
    this.#begin()
    writeText(join(this.output, 'checkpoint.json'), `${JSON.stringify(notes, null, 2)}\n`)
  }

  loadNotes(): Json | undefined {
    return this.#resumed ? readJson(join(this.output, 'checkpoint.json')) : undefined
  }

  /** The end of a run that is saved after a signal; `done` says how far it came. */
  stopped(exitCode: number, done: string): Stopped {
    const { output } = this
    const where = this.#command.getOptionValueSource('output') === 'cli'
    const go = `${this.#command.name()} --resume${where ? ` --output ${quoted(output)}` : ''}`
    return new Stopped(
      exitCode,
      `Stopped after ${done}; the run is saved in ${output}.\nGo on with: ${go}`,
    )
  }
}

/** A path as a shell takes it. */
const quoted = (path: string) => (/^[\w./\\:-]+$/.test(path) ? path : JSON.stringify(path))

function readJson(path: string): Json {
  const text = readText(path)
  try {
    return JSON.parse(text)
  } catch {
    throw new UserError(`${path} is damaged`)
  }
}

/** The settings of the run in a folder. */
function readSettings(folder: string, names: readonly string[]): Readonly<Record<string, Json>> {
  const path = join(folder, 'settings.json')
  const settings = readJson(path)
  if (typeof settings !== 'object' || settings === null || !names.every((name) => name in settings))
    throw new UserError(`${path} is damaged`)
  return settings as Readonly<Record<string, Json>>
}

/** Gives a command the settings of a run; ends the program if its command line says otherwise. */
function takeSettings(
  command: Command,
  settings: Readonly<Record<string, Json>>,
  changeable: readonly string[],
): void {
  for (const [name, value] of Object.entries(settings)) {
    const given = command.getOptionValueSource(name) === 'cli'
    if (given && changeable.includes(name)) continue
    if (given && command.getOptionValue(name) !== value) {
      command.error(
        `error: --${name} cannot change when a run is resumed: it was ${value ?? 'not given'}`,
      )
    }
    command.setOptionValue(name, value ?? undefined)
  }
}
