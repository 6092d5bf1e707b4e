/**
 * What the API pages have beyond typedoc's own: exports and what a tensor can do in the order of their topics,
 * a summary next to each name, guides under their titles, and a search that finds full names.
 */

import {
  Converter,
  DefaultTheme,
  DefaultThemeRenderContext,
  IndexEvent,
  JSX,
  ReflectionCategory,
  ReflectionKind,
} from 'typedoc'
import { topics } from './topics.mjs'

const h = JSX.createElement

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => nameGuides(context.project))
  // After typedoc has made its own categories.
  app.converter.on(
    Converter.EVENT_RESOLVE_END,
    ({ project }) => {
      orderByTopic(project, app.logger)
      weigh(project)
    },
    -1000,
  )
  app.renderer.on(IndexEvent.PREPARE_INDEX, findFullNames)
  app.renderer.defineTheme('elman', Theme)
}

/** A guide is called by its first heading, and its first paragraph is its summary. */
function nameGuides(project) {
  for (const document of project.documents ?? []) {
    const text = document.content.map((part) => part.text).join('')
    const [, title] = text.match(/^# (.*)$/m) ?? []
    if (title !== undefined) document.name = title
    const [paragraph = ''] = text
      .replace(/^# .*$/m, '')
      .trim()
      .split('\n\n')
    const [sentence = ''] = paragraph.replaceAll('\n', ' ').match(/^.*?\.(?= |$)/) ?? []
    // As plain text: links of a guide are relative to it.
    document.frontmatter.summary = sentence.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
  }
}

/** Gives modules and classes the categories of topics.mjs. */
function orderByTopic(project, logger) {
  const found = new Set()
  for (const reflection of project.getReflectionsByKind(
    ReflectionKind.SomeModule | ReflectionKind.ClassOrInterface,
  )) {
    const name = reflection.getFullName()
    const own = topics[name]
    const children = reflection.children ?? []
    if (own === undefined) {
      if (reflection.kindOf(ReflectionKind.SomeModule)) logger.warn(`${name} has no topics${where}`)
      continue
    }
    found.add(name)
    const left = new Map(children.map((child) => [child.name, child]))
    reflection.categories = Object.entries(own).map(([topic, names]) => {
      const members = names.split(' ').flatMap((member) => {
        const child = left.get(member)
        if (child === undefined) logger.warn(`${name} has no ${member}, which stands${where}`)
        left.delete(member)
        return child ?? []
      })
      const category = new ReflectionCategory(topic)
      category.children = members
      return category
    })
    for (const member of left.keys()) logger.warn(`${name}.${member} has no topic${where}`)
  }
  for (const name of Object.keys(topics)) {
    if (!found.has(name)) logger.warn(`there is no ${name}, which stands${where}`)
  }
}

const where = ' in scripts/typedoc/topics.mjs'

/** What the search shows first: what is exported, classes and functions before types; then members and guides. */
function weigh(project) {
  const weights = [
    [ReflectionKind.Class, 10],
    [ReflectionKind.Function, 8],
    [ReflectionKind.Namespace | ReflectionKind.Interface | ReflectionKind.TypeAlias, 3],
  ]
  for (const reflection of project.getReflectionsByKind(ReflectionKind.All)) {
    const [, weight = 1] = weights.find(([kinds]) => reflection.kindOf(kinds)) ?? []
    // Of two that match alike, the shorter name is closer to what was typed.
    reflection.relevanceBoost = weight * (1 + 4 / reflection.name.length)
  }
}

/** The search finds `nn.LSTM` and `Tensor.sum`, too, and names before what is written about them. */
function findFullNames(event) {
  event.searchFieldWeights.fullName = 20
  event.searchFields = event.searchResults.map((reflection) => ({
    fullName: reflection.getFullName().replace(/^@elman\/rnn\./, ''),
  }))
}

class Theme extends DefaultTheme {
  getRenderContext(page) {
    return new Context(this.router, this, page, this.application.options)
  }
}

class Context extends DefaultThemeRenderContext {
  /** A constructor has the summary of its class. */
  summaryOf = (member) =>
    this.commentShortSummary(member.getSignature ?? member) ??
    (member.kindOf(ReflectionKind.Constructor)
      ? this.commentShortSummary(member.parent)
      : undefined)

  /** The members of a class or interface: a table, by topic where there are topics, else by kind. */
  index = (reflection) => {
    const sections = reflection.categories ?? reflection.groups ?? []
    return h(
      'section',
      { class: 'tsd-panel-group tsd-index-group' },
      h(
        'table',
        { class: 'elman-index' },
        ...sections.map(({ title, children }) =>
          h(
            'tbody',
            null,
            h('tr', null, h('th', { colspan: '2', scope: 'rowgroup' }, title)),
            ...children.map((member) =>
              h(
                'tr',
                { class: this.getReflectionClasses(member) },
                h(
                  'td',
                  null,
                  h(
                    'a',
                    { href: this.urlTo(member), class: 'tsd-index-link' },
                    this.reflectionIcon(member),
                    h('code', null, callOf(member)),
                  ),
                ),
                h('td', null, this.summaryOf(member)),
              ),
            ),
          ),
        ),
      ),
    )
  }
}

/** How a member is written: `sum(dim?)`, `grad`. */
function callOf(member) {
  const [signature] = member.signatures ?? []
  if (signature === undefined) return member.name
  const parameters = signature.parameters ?? []
  const words = parameters.map(({ name, flags, defaultValue }) =>
    flags.isRest ? `...${name}` : `${name}${flags.isOptional || defaultValue ? '?' : ''}`,
  )
  const name = member.kindOf(ReflectionKind.Constructor) ? `new ${signature.name}` : member.name
  return `${name.replace('new new ', 'new ')}(${words.join(', ')})`
}
