/**
 * The one door to the compiled addon: every other file takes its native functions from here.
 *
 * All arrays of one call have the same dtype, are row-major and exactly as long as their shapes say;
 * outputs are allocated on this side and written in place. The addon holds on to none of them, but for those of a
 * stream; a task works on copies.
 */

import { loadAddon } from './addon'

/** The two kinds of storage that the arithmetic works on. */
export type Floats = Float32Array | Float64Array

/** Torch's Mersenne Twister; see {@link native}. */
export interface NativeGenerator {
  manualSeed(seed: bigint): void
  getState(): Uint8Array
  setState(state: Uint8Array): void
  uniform(out: Floats, low: number, high: number): void
  normal(out: Floats, mean: number, std: number): void
  /** One integer in [0, 2^53): the seed of a dropout mask. */
  seed53(): number
}

/**
 * How the rows of a batch of sequences lie in memory; immutable, so it is reused from call to call. The lengths of
 * padded sequences come with each call: sequence b is `lengths[b]` steps long, or T.
 */
export interface NativeSequences {
  /** Writes the rows of packed sequences, taken from an array (T, B, F), or (B, T, F) if `batchFirst`; T = `steps`. */
  pack(steps: number, batchFirst: boolean, features: number, padded: Floats, packed: Floats): void
  /** The other way, with `paddingValue` beyond each sequence's end. */
  pad(
    steps: number,
    batchFirst: boolean,
    features: number,
    packed: Floats,
    paddingValue: number,
    padded: Floats,
  ): void
}

/** A stack of recurrent layers of one shape and dtype; holds no weights. */
export interface NativeRnnCore {
  /** Elements of the memory that a stream works in. */
  streamLength(batchSize: number): number
  /**
   * Lays the parameters out in `memory`, with states of 0. The function goes on by one step at each call; it is the
   * only thing of the addon's that keeps arrays.
   */
  stream(
    batchSize: number,
    parameters: Floats[],
    memory: Floats,
    input: Floats,
    output: Floats,
  ): () => void
  resetStream(batchSize: number, memory: Floats, hx: Floats | null): void
  /** float32 only. */
  serializeOnnx(parameters: Floats[], batchFirst: boolean): Uint8Array
  /**
   * With `checkpointEvery`, which `forward` and `backward` are then called with too, it counts the states before each
   * segment of so many steps.
   */
  savedLength(
    sequences: NativeSequences,
    checkpointEvery?: number | null,
    lengths?: Int32Array | null,
  ): number
  forward(
    sequences: NativeSequences,
    parameters: Floats[],
    input: Floats,
    hx: Floats | null,
    dropout: number,
    seed: number,
    output: Floats,
    hN: Floats,
    saved: Floats | null,
    checkpointEvery?: number | null,
    lengths?: Int32Array | null,
  ): number
  backward(
    sequences: NativeSequences,
    parameters: Floats[],
    input: Floats,
    hx: Floats | null,
    dropout: number,
    seed: number,
    output: Floats,
    saved: Floats,
    gradOutput: Floats | null,
    gradHN: Floats | null,
    gradInput: Floats | null,
    gradHx: Floats | null,
    gradParameters: Floats[] | null,
    /** What `forward` returned; throws if one of the arrays that it stands for has changed. */
    fingerprint: number | null,
    checkpointEvery?: number | null,
    lengths?: Int32Array | null,
  ): void
}

/** A Jordan network of one shape and dtype; holds no weights. */
export interface NativeJordanCore {
  savedLength(sequences: NativeSequences, lengths?: Int32Array | null): number
  /** With a `teacher`, its rows are fed back in the place of the output's. */
  forward(
    sequences: NativeSequences,
    parameters: Floats[],
    input: Floats,
    y0: Floats | null,
    teacher: Floats | null,
    output: Floats,
    yN: Floats,
    saved: Floats | null,
    lengths?: Int32Array | null,
  ): number
  backward(
    sequences: NativeSequences,
    parameters: Floats[],
    input: Floats,
    y0: Floats | null,
    teacher: Floats | null,
    output: Floats,
    saved: Floats,
    gradOutput: Floats | null,
    gradYN: Floats | null,
    gradInput: Floats | null,
    gradY0: Floats | null,
    gradTeacher: Floats | null,
    gradParameters: Floats[] | null,
    /** As for the stack of Elman layers. */
    fingerprint: number | null,
    lengths?: Int32Array | null,
  ): void
}

/** What one SGD step needs beside the arrays. */
export interface SgdStepOptions {
  lr: number
  momentum: number
  dampening: number
  weightDecay: number
  nesterov: boolean
  maximize: boolean
}

/** What one Adam step needs beside the arrays. */
export interface AdamStepOptions {
  lr: number
  beta1: number
  beta2: number
  eps: number
  weightDecay: number
  /** Whether the decay is decoupled from the gradient: AdamW. */
  decoupled: boolean
  maximize: boolean
}

/** What one RMSprop step needs beside the arrays. */
export interface RmspropStepOptions {
  lr: number
  alpha: number
  eps: number
  weightDecay: number
  momentum: number
  maximize: boolean
}

/** One tensor of a safetensors file. */
export interface FileEntry {
  name: string
  dtype: 'float32' | 'float64' | 'int32'
  shape: number[]
  data: Floats | Int32Array
}

/** Calls that are noted and run on another thread; `background.ts` is what uses it. */
export interface NativeTask {
  copy(array: Floats, from: number, count: number): void
  begin(): void
  /** False if something was called in between that cannot be run later. */
  end(): boolean
  start(): Promise<void>
  cancel(): void
  finish(): number
  /** False if the calls have not written to the array. */
  deliver(array: Floats, from: number, count: number): boolean
  release(): void
}

/** The functions and classes of the addon that this package calls. */
export interface Native {
  backendInfo(): { version: string; isa: string; isaAvailable: string[]; threads: number }
  setNumThreads(threads: number): void
  getNumThreads(): number

  Generator: new () => NativeGenerator
  Task: new () => NativeTask

  /** A number that is another one if any of the arrays has changed. */
  fingerprint(arrays: Floats[]): number
  /** Throws if the arrays have not this fingerprint. */
  verify(arrays: Floats[], fingerprint: number, owner: string): void

  add(a: Floats, b: Floats, out: Floats): void
  addScalar(a: Floats, value: number, out: Floats): void
  mul(a: Floats, b: Floats, out: Floats): void
  /** `out` may be `a`. */
  mulScalar(a: Floats, value: number, out: Floats): void
  accumulate(target: Floats, source: Floats): void
  /** Limits every element, in place, to the range from -limit to limit. */
  clip(values: Floats, limit: number): void
  tanh(x: Floats, out: Floats): void
  relu(x: Floats, out: Floats): void
  sigmoid(x: Floats, out: Floats): void
  tanhBackward(y: Floats, dy: Floats, dx: Floats): void
  reluBackward(y: Floats, dy: Floats, dx: Floats): void
  sigmoidBackward(y: Floats, dy: Floats, dx: Floats): void
  sum(x: Floats): number
  fill(out: Floats, value: number): void
  copyStrided(source: Floats, offset: number, shape: number[], strides: number[], out: Floats): void
  /** The adjoint of `copyStrided`: adds `source` to the strided places of `target`. */
  addStrided(
    target: Floats,
    offset: number,
    shape: number[],
    strides: number[],
    source: Floats,
  ): void

  Sequences: {
    padded(steps: number, batch: number, batchFirst: boolean): NativeSequences
    packed(batchSizes: Int32Array, sortedIndices: Int32Array | null): NativeSequences
  }
  RnnCore: new (
    inputSize: number,
    hiddenSize: number,
    numLayers: number,
    nonlinearity: string,
    bias: boolean,
    bidirectional: boolean,
    dtype: string,
  ) => NativeRnnCore
  JordanCore: new (
    inputSize: number,
    hiddenSize: number,
    outputSize: number,
    nonlinearity: string,
    outputNonlinearity: string,
    bias: boolean,
    dtype: string,
  ) => NativeJordanCore

  linearForward(
    x: Floats,
    weight: Floats,
    bias: Floats | null,
    rows: number,
    inFeatures: number,
    outFeatures: number,
    out: Floats,
  ): void
  linearBackward(
    x: Floats,
    weight: Floats,
    gradOut: Floats,
    rows: number,
    inFeatures: number,
    outFeatures: number,
    gradX: Floats | null,
    gradWeight: Floats | null,
    gradBias: Floats | null,
  ): void

  embeddingForward(
    weight: Floats,
    indices: Int32Array,
    numEmbeddings: number,
    embeddingDim: number,
    out: Floats,
  ): void
  embeddingBackward(
    gradOut: Floats,
    indices: Int32Array,
    numEmbeddings: number,
    embeddingDim: number,
    paddingIdx: number,
    gradWeight: Floats,
  ): void

  /** Its own backward too: the mask is a function of the seed and the place. */
  dropout(x: Floats, p: number, seed: number, out: Floats): void

  crossEntropyForward(
    logits: Floats,
    targets: Int32Array,
    rows: number,
    classes: number,
    ignoreIndex: number,
    reduction: string,
    out: Floats,
  ): void
  crossEntropyBackward(
    logits: Floats,
    targets: Int32Array,
    rows: number,
    classes: number,
    ignoreIndex: number,
    reduction: string,
    gradOut: Floats,
    gradLogits: Floats,
  ): void
  /** `loss`: 'squared', 'absolute' or 'logistic'. */
  pointwiseForward(
    loss: string,
    input: Floats,
    target: Floats,
    reduction: string,
    out: Floats,
  ): void
  pointwiseBackward(
    loss: string,
    input: Floats,
    target: Floats,
    reduction: string,
    gradOut: Floats,
    gradInput: Floats | null,
    gradTarget: Floats | null,
  ): void

  sgdStep(
    param: Floats,
    grad: Floats,
    momentumBuffer: Floats | null,
    first: boolean,
    options: SgdStepOptions,
  ): void
  adamStep(
    param: Floats,
    grad: Floats,
    expAvg: Floats,
    expAvgSq: Floats,
    maxExpAvgSq: Floats | null,
    step: number,
    options: AdamStepOptions,
  ): void
  /** A centered step where there is `gradAvg`. */
  rmspropStep(
    param: Floats,
    grad: Floats,
    squareAvg: Floats,
    gradAvg: Floats | null,
    momentumBuffer: Floats | null,
    options: RmspropStepOptions,
  ): void
  gradNorm(grads: Floats[], normType: number): number

  serializeSafetensors(entries: FileEntry[], metadata: Record<string, string> | null): Uint8Array
  deserializeSafetensors(bytes: Uint8Array): {
    entries: FileEntry[]
    metadata: Record<string, string>
  }
}

/** The addon, typed. */
export const native: Native = loadAddon()
