/** The tables of everything that is not measured on the grid: single steps, memory, the start, whole programs. */

import { cellFacts, cells, keptArrays, shapeName } from '../lib/shape'
import { median } from '../lib/statistics'
import type { CheckpointsResult, Held, Results } from './results'
import { milliseconds, ratio, type Table } from './table'

export function otherTables(results: Results): Table[] {
  return [
    ...streamTable(results),
    ...lengthsTable(results),
    ...gatesTable(results),
    ...denormalsTable(results),
    ...memoryTables(results),
    ...startTables(results),
    ...demoTable(results),
    ...namesTable(results),
  ]
}

function streamTable({ stream, cell }: Results): Table[] {
  if (stream === undefined) return []
  const kind = cell === 'rnn' ? '' : `, ${cellFacts[cell].title}`
  const fastest = Math.min(...stream.map(({ microseconds }) => microseconds))
  return [
    {
      title: `One time step at a time${kind}, one sequence, 64 features, 1 thread`,
      head: ['', 'microseconds', 'times as long', 'bytes a step'],
      rows: stream.map(({ name, microseconds, bytesPerStep }) => [
        name,
        microseconds.toPrecision(3),
        ratio(microseconds / fastest),
        bytesPerStep === undefined ? '–' : bytesPerStep.toFixed(1),
      ]),
    },
  ]
}

function lengthsTable({ lengths, cell }: Results): Table[] {
  if (lengths === undefined) return []
  const kind = cell === 'rnn' ? '' : `${cellFacts[cell].title}: `
  return [
    {
      title: `${kind}Sequences of different lengths, and a full batch with as many valid steps, milliseconds`,
      head: ['full batch', 'task', 'threads', 'full', 'lengths', '× full', 'packed', '× full'],
      rows: lengths.map((one) => [
        shapeName(one.shape),
        one.task,
        String(one.threads),
        milliseconds(one.padded),
        milliseconds(one.lengths),
        ratio(one.lengths / one.padded),
        milliseconds(one.packed),
        ratio(one.packed / one.padded),
      ]),
    },
  ]
}

function gatesTable({ gates }: Results): Table[] {
  if (gates === undefined) return []
  const gated = cells.filter((cell) => cell !== 'rnn')
  return [
    {
      title: 'What gates cost: @elman/rnn with each kind of cell, float32, milliseconds',
      head: [
        '(T, B, I, H, L, D)',
        'task',
        'threads',
        ...cells.map((cell) => cellFacts[cell].title),
        ...gated.map((cell) => `${cellFacts[cell].title} × RNN`),
      ],
      rows: gates.map((one) => [
        shapeName(one.shape),
        one.task,
        String(one.threads),
        ...cells.map((cell) => milliseconds(one[cell])),
        ...gated.map((cell) => ratio(one[cell] / one.rnn)),
      ]),
    },
  ]
}

function denormalsTable({ denormals, cell }: Results): Table[] {
  if (denormals === undefined) return []
  return [
    {
      title: `Denormal numbers: ${cellFacts[cell].title}, float32, 1 thread, milliseconds`,
      head: ['(T, B, I, H, L, D)', 'task', 'normal', 'denormal', '× normal', 'flushed', '× normal'],
      rows: denormals.map(({ shape, task, normal, denormal, flushed }) => [
        shapeName(shape),
        task,
        milliseconds(normal),
        milliseconds(denormal),
        ratio(denormal / normal),
        milliseconds(flushed),
        ratio(flushed / normal),
      ]),
    },
  ]
}

function memoryTables({ memory }: Results): Table[] {
  if (memory === undefined) return []
  const { arrays, extra, peak, resident, steps } = memory
  const kept = keptArrays[memory.shape.cell]
  return [
    {
      title: `Memory of a training step at ${shapeName(memory.shape)}, megabytes`,
      head: [
        'inputs, outputs, gradients',
        kept === 1 ? 'one (T, B, H)' : `${kept} (T, B, H)`,
        'peak above the start',
        'times as much',
      ],
      rows: [
        [arrays.toFixed(0), extra.toFixed(0), peak.toFixed(0), ratio(peak / (arrays + extra))],
      ],
    },
    {
      title: `Resident memory over ${steps} training steps at ${shapeName(memory.small)}, megabytes`,
      head: [
        '',
        ...resident.vjp.map((_, stretch) => `${(stretch * 100) / (resident.vjp.length - 1)} %`),
      ],
      rows: (['vjp', 'tape'] as const).map((form) => [
        form,
        ...resident[form].map((value) => value.toFixed(1)),
      ]),
    },
    checkpointsTable(memory.checkpoints),
  ]
}

function startTables({ start }: Results): Table[] {
  if (start === undefined) return []
  const { node, construct } = start
  const beyond = (time: number) => [
    milliseconds(time),
    milliseconds(time - node),
    ratio(time / node),
  ]
  return [
    {
      title:
        'The start of a program, milliseconds: in total, more than an empty program, and times an empty program',
      head: ['', 'total', 'more', 'times'],
      rows: [
        ['empty', milliseconds(node), '–', '–'],
        ['import', ...beyond(start.import)],
        ['require', ...beyond(start.require)],
      ],
    },
    {
      title: 'Making nn.RNN(512, 512) with 4 layers, milliseconds',
      head: ['@elman/rnn', 'PyTorch', '× PyTorch'],
      rows: [
        [
          milliseconds(construct.ours),
          milliseconds(construct.torch),
          ratio((construct.torch ?? Number.NaN) / construct.ours),
        ],
      ],
    },
  ]
}

function checkpointsTable(result: CheckpointsResult): Table {
  const { shape, every, plain, checkpointed, milliseconds: time } = result
  const row = (name: string, { buffers, resident }: Held, step: number) => [
    name,
    buffers.toFixed(1),
    resident.toFixed(1),
    step.toFixed(0),
  ]
  return {
    title: `Memory kept between forward and backward in addition to the results at ${shapeName(shape)}, megabytes, and a step's milliseconds`,
    head: ['', 'array buffers', 'resident', 'step'],
    rows: [
      row('all states', plain, time.plain),
      row(`checkpointEvery: ${every}`, checkpointed, time.checkpointed),
      [
        'quotient',
        ratio(plain.buffers / checkpointed.buffers),
        ratio(plain.resident / checkpointed.resident),
        ratio(time.checkpointed / time.plain),
      ],
    ],
  }
}

function demoTable({ demo }: Results): Table[] {
  if (demo === undefined) return []
  return [
    {
      title: `The demo, compared with ${demo[0]?.version}: characters per second in training, medians`,
      head: ['threads', '@elman/rnn', 'PyTorch', 'times as fast', 'bits per character, both'],
      rows: demo.map(({ threads, ours, torch, bits }) => [
        String(threads),
        ...[ours, torch].map((speeds) => Math.round(median(speeds)).toLocaleString('en-US')),
        ratio(median(ours) / median(torch)),
        `${bits.ours.toFixed(3)}, ${bits.torch.toFixed(3)}`,
      ]),
    },
  ]
}

function namesTable({ names }: Results): Table[] {
  if (names === undefined) return []
  return [
    {
      title: `The example names, compared with ${names[0]?.version}: milliseconds an epoch, medians`,
      head: ['threads', '@elman/rnn', 'PyTorch', 'times as fast'],
      rows: names.map(({ threads, ours, torch }) => [
        String(threads),
        ...[ours, torch].map((seconds) => milliseconds(1000 * median(seconds))),
        ratio(median(torch) / median(ours)),
      ]),
    },
  ]
}
