/** What a call of `nn.RNN` takes beside input and hx. */

import type { Lengths } from '../lengths'

/** Options of `forward`; `vjp` takes `lengths`. */
export interface RNNForwardOptions {
  /**
   * How long each sequence of the batch is, in any order; what lies beyond in the input is padding and does not
   * matter. Default: all are as long as the input.
   */
  lengths?: Lengths | null | undefined
  /**
   * n: keeps only every n-th hidden state of the layers below the last for the backward pass, which computes the others
   * again. Gradients are the same, to the last bit.
   *
   * For long sequences: between forward and backward about 1/n of (L-1)·T·B·H numbers is held, and a training step
   * costs up to one forward pass more. n about √T is a good choice; a small n holds more and takes longer, since each
   * segment of n steps is a pass of its own (a step with n = 1 may take more than twice as long). The backward pass
   * itself needs as much memory as without, and gives it back to the system. With one layer, or where the tape does
   * not record, there is nothing to keep. Not for bidirectional modules. Default: all are kept.
   */
  checkpointEvery?: number | null | undefined
}

/** The names of {@link RNNForwardOptions}. */
export const forwardOptions: readonly string[] = ['lengths', 'checkpointEvery']

/** Options of `forwardAsync`. */
export interface RNNForwardAsyncOptions extends RNNForwardOptions {
  /** Gives the call up when it is aborted. */
  signal?: AbortSignal | null | undefined
}
