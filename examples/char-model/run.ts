/** How far a run has come, and how well it does. */

import type { Memory } from './model'

/** A mean that grows chunk by chunk: of the loss, which comes in nats. */
export class Mean {
  constructor(
    public total = 0,
    public count = 0,
  ) {}

  add(loss: number, characters: number): void {
    this.total += loss * characters
    this.count += characters
  }

  /** The mean in bits per character; a bit is ln 2 nats. */
  get bits(): number {
    return this.total / this.count / Math.LN2
  }
}

/** Points of the curve that an epoch has. */
const pointsPerEpoch = 60

/** What a run needs in addition to weights and optimizer to continue as if it had not been interrupted. */
export class Run {
  /** epochs that are done */
  epoch = 0
  /** chunks of the present epoch that are done */
  chunk = 0
  /** what the network remembers of the rows so far */
  memory: Memory | null = null
  /** loss of the present epoch, and of it since the last point of the curve */
  epochLoss = new Mean()
  recentLoss = new Mean()
  /** the learning curve: epochs, bits per character */
  curve: [number, number][] = []
  /** bits per character of each epoch: of the text while it was learned, and of the held-out text */
  scores: { learned: number; heldOut: number }[] = []

  /** Takes note of a learned chunk, one of `chunks` of the epoch. */
  add(loss: number, characters: number, chunks: number): void {
    this.chunk += 1
    this.epochLoss.add(loss, characters)
    this.recentLoss.add(loss, characters)
    if (this.chunk % Math.ceil(chunks / pointsPerEpoch) === 0) {
      this.curve.push([this.epoch + this.chunk / chunks, this.recentLoss.bits])
      this.recentLoss = new Mean()
    }
  }

  /** Takes note of the held-out loss; the next epoch starts with an empty memory. */
  endEpoch(heldOutLoss: Mean): void {
    this.scores.push({ learned: this.epochLoss.bits, heldOut: heldOutLoss.bits })
    this.epoch += 1
    this.chunk = 0
    this.memory = null
    this.epochLoss = new Mean()
    this.recentLoss = new Mean()
  }
}
