/**
 * Tomorrow's maximum temperature in Seattle, from the 14 days up to today.
 *
 * The network reads the days one by one and is asked at the end: only the last hidden state goes through the
 * output layer, and the loss is taken there ("many to one"). It learns the change from today to tomorrow,
 * so that a network that knows nothing says what persistence says: tomorrow will be as today.
 *
 * It never learns from 2015. How long to learn is found out without 2015 as well: a first network learns from
 * 2012 and 2013, and the epoch at which it forecasts 2014 best is the number of epochs that the network
 * then gets to learn from all three years.
 *
 *     npm run example -- weather
 */

import { join } from 'node:path'
import { nn, noGrad, optim, type Tensor, tensor } from '@elman/rnn'
import { exampleOptions } from '../lib/example-options'
import { readPackageFile, writeText } from '../lib/files'
import { table } from '../lib/format'
import { lineChart } from '../lib/line-chart'
import { runProgram } from '../lib/program'
import { Training } from '../lib/training'

const window = 14

/** A day: what the network is told about it, and its maximum temperature. */
interface Day {
  year: number
  features: number[]
  maximum: number
}

/** The records of seattle-weather: date, rain (mm), highest and lowest temperature (°C), wind (m/s), in words. */
function readDays(): Day[] {
  const lines = readPackageFile('vega-datasets', 'data/seattle-weather.csv').trim().split('\n')
  return lines.slice(1).map((line) => {
    const [date = '', rain, maximum, minimum, wind] = line.split(',')
    const year = Number(date.slice(0, 4))
    const season =
      (2 * Math.PI * (Date.parse(date) - Date.parse(`${year}-01-01`))) / (365.25 * 864e5)
    // all of a size of about one, as a network likes it
    const features = [
      Math.log1p(Number(rain)) / 2,
      (Number(maximum) - 16) / 8,
      (Number(minimum) - 8) / 5,
      Number(wind) / 3 - 1,
      Math.sin(season),
      Math.cos(season),
    ]
    return { year, features, maximum: Number(maximum) }
  })
}

/** Reads the days before, (T, B, 6), and gives the change of temperature, (B, 1). */
class Forecaster extends nn.Module {
  readonly rnn = new nn.RNN(6, 32)
  readonly head = new nn.Linear(32, 1)

  forward(days: Tensor): Tensor {
    const [, hN] = this.rnn.forward(days)
    return this.head.forward(hN.select(0, -1))
  }
}

async function main(): Promise<number> {
  const { run, output, epochs } = exampleOptions(
    'weather',
    "Learns to forecast tomorrow's maximum temperature.",
    { epochs: 40 },
  )
  const days = readDays()

  /** The places of the days of some years that have enough days before them. */
  const daysOf = (...years: number[]) =>
    [...days.keys()].filter((day) => day >= window && years.includes(days[day]?.year ?? 0))

  const maximum = (day: number) => days[day]?.maximum ?? Number.NaN

  /** The days before each of some days, (T, B, 6). */
  const before = (targets: number[]) =>
    tensor(
      Array.from({ length: window }, (_, t) =>
        targets.map((target) => days[target - window + t]?.features ?? []),
      ),
    )

  /** Forecasts for some days, in °C. */
  const forecast = (model: Forecaster, targets: number[]): number[] => {
    const changes = noGrad(() => model.forward(before(targets))).data
    return targets.map((target, i) => maximum(target - 1) + (changes[i] ?? 0))
  }

  /** Root of the mean squared error, in °C. */
  const error = (targets: number[], forecasts: number[]) =>
    Math.sqrt(
      targets.reduce((sum, day, i) => sum + (maximum(day) - (forecasts[i] ?? 0)) ** 2, 0) /
        targets.length,
    )

  /** Learns from some days; `afterEpoch` looks at the model after each epoch, and notes its errors. */
  async function learn(
    stage: string,
    targets: number[],
    count: number,
    afterEpoch?: (model: Forecaster, errors: number[]) => void,
  ) {
    const model = new Forecaster()
    const optimizer = new optim.Adam(model.parameters(), { lr: 0.001 })
    const criterion = new nn.MSELoss()
    const training = new Training(run, { model, optimizer }, { errors: [] as number[] }, { stage })
    for await (const _ of training.epochs(count)) {
      for await (const batch of training.batches(targets.length, 32)) {
        const some = batch.map((i) => targets[i] ?? 0)
        const changes = tensor(some.map((day) => [maximum(day) - maximum(day - 1)]))
        const loss = criterion.forward(model.forward(before(some)), changes)
        optimizer.zeroGrad()
        loss.backward()
        nn.utils.clipGradNorm_(model.parameters(), 1)
        optimizer.step()
      }
      afterEpoch?.(model, training.notes.errors)
    }
    return { model, errors: training.notes.errors }
  }

  const [validation, test] = [daysOf(2014), daysOf(2015)]
  const train = daysOf(2012, 2013)
  const { errors } = await learn('2012–2013', train, epochs, (model, errors) => {
    const now = errors.push(error(validation, forecast(model, validation)))
    if (now % 10 > 0) return
    console.log(`Epoch ${now}/${epochs}: 2014 forecast to within ${errors.at(-1)?.toFixed(2)} °C`)
  })
  const best = errors.indexOf(Math.min(...errors)) + 1
  console.log(`2014 is forecast best after ${best} epochs; now as many on all three years`)

  const { model } = await learn('2012–2014', daysOf(2012, 2013, 2014), best)
  const forecasts = forecast(model, test)
  const today = test.map((day) => maximum(day - 1))
  const [persistence, network] = [today, forecasts].map(
    (values) => `${error(test, values).toFixed(2)} °C`,
  ) as [string, string]
  const rows = [
    ['2015', 'RMSE'],
    ['as today (persistence)', persistence],
    ['network', network],
  ]
  console.log(`\n${table(rows)}`)

  const points = (values: number[]) => values.map((value, i) => [i + 1, value] as const)
  const chart = lineChart({
    title: "Seattle 2015: tomorrow's maximum temperature",
    subtitle: `forecast from the ${window} days before, by a network that learned from 2012–2014`,
    xLabel: 'day of the year',
    yLabel: '°C',
    series: [
      { name: 'truth', points: points(test.map(maximum)), colour: '#bbbbbb', width: 4 },
      {
        name: `persistence (${persistence} off)`,
        points: points(today),
        colour: '#4477aa',
        width: 1,
      },
      {
        name: `network (${network} off)`,
        points: points(forecasts),
        colour: '#cc3311',
        width: 1.5,
      },
    ],
  })
  writeText(join(output, 'forecast.svg'), chart)
  console.log(`\nWritten to ${output}: forecast.svg, model-2012-2014.safetensors`)
  return 0
}

runProgram(main)
