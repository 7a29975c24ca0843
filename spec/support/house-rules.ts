/**
 * The design of lib as rules that a machine can check: which part may import which, who may touch Node and the clock, and how a
 * file looks. `breaches` reads sources; it does not care where they come from, so that each rule can be shown to bite.
 */
import ts from 'ts60'

/** A part of lib: some files, and what they may name. */
interface Part {
  readonly name: string
  /** Paths under lib: a folder where it ends in `/`, else a file. The first part that matches a file has it. */
  readonly files: readonly string[]
  /** The parts it may import besides itself. */
  readonly may: readonly string[]
  /** The packages it may import. */
  readonly packages: readonly string[]
  /** May it import modules of Node? */
  readonly node?: true
  /** May it use timers and clocks by hand? */
  readonly clock?: true
  /** May it import modules that the user names? */
  readonly plugins?: true
}

const LOW = ['error', 'protocol', 'codec interface']
const MIDDLE = [...LOW, 'flow', 'link', 'link tools']
const SERVICE = [...MIDDLE, 'client', 'server']
const ENTRY = [...SERVICE, 'service', 'codecs', 'transports']

/** Lowest first. A part imports downwards only; client and server never name each other, nor a transport or a codec of flesh. */
export const PARTS: readonly Part[] = [
  { name: 'error', files: ['error.ts'], may: [], packages: [] },
  { name: 'protocol', files: ['protocol/'], may: ['error'], packages: [] },
  { name: 'codec interface', files: ['codec/codec.ts', 'codec/items.ts'], may: ['error', 'protocol'], packages: [] },
  { name: 'MessagePack', files: ['codec/msgpack.ts'], may: [...LOW, 'codecs'], packages: ['msgpackr'] },
  { name: 'codecs', files: ['codec/'], may: LOW, packages: [] },
  { name: 'flow', files: ['flow/'], may: LOW, packages: ['rxjs'] },
  { name: 'link', files: ['transport/link.ts'], may: ['error'], packages: ['rxjs'] },
  {
    name: 'link tools',
    files: ['writer', 'slabs', 'drained', 'intake', 'outflow'].map(name => `transport/${name}.ts`),
    may: [...LOW, 'link', 'flow'],
    packages: ['rxjs'],
    clock: true,
  },
  { name: 'transports', files: ['transport/'], may: [...LOW, 'link', 'link tools'], packages: ['rxjs'], clock: true },
  { name: 'client', files: ['client/'], may: MIDDLE, packages: ['rxjs'] },
  { name: 'server', files: ['server/'], may: MIDDLE, packages: ['rxjs'] },
  { name: 'service', files: ['service/'], may: SERVICE, packages: ['rxjs', '@standard-schema/spec'] },
  {
    name: 'entry',
    files: ['index.ts', 'connect.ts', 'logger.ts', 'options.ts', 'rpc-server.ts'],
    may: [...ENTRY, 'MessagePack'],
    packages: ['rxjs'],
  },
  {
    name: 'WebSocket on Node',
    files: ['node/websocket.ts'],
    may: [...ENTRY, 'node'],
    packages: ['rxjs', 'ws'],
    node: true,
    clock: true,
  },
  {
    name: 'node',
    files: ['node/'],
    may: [...ENTRY, 'MessagePack', 'entry', 'WebSocket on Node'],
    packages: ['rxjs'],
    node: true,
    clock: true,
  },
  { name: 'testing', files: ['testing/'], may: [...ENTRY, 'MessagePack', 'entry'], packages: ['rxjs'] },
  {
    name: 'contracts of the cli',
    files: [
      'cli/dashboard/contract.ts',
      'cli/services/calculator-contract.ts',
      'cli/services/host-contract.ts',
      'cli/services/shapes.ts',
    ],
    may: ENTRY,
    packages: ['rxjs'],
  },
  {
    name: 'dashboard page',
    files: ['cli/dashboard/page/'],
    may: [...ENTRY, 'entry', 'contracts of the cli'],
    packages: ['rxjs', 'uplot'],
    clock: true,
  },
  {
    name: 'cli',
    files: ['cli/'],
    may: [...ENTRY, 'MessagePack', 'entry', 'node', 'WebSocket on Node', 'testing', 'contracts of the cli'],
    packages: ['rxjs', 'commander', 'systeminformation'],
    node: true,
    clock: true,
    plugins: true,
  },
]

const MOST_LINES = 250
const NAMES_OF_NOTHING = /(^|[/-])(utils?|helpers?|misc|common)([/.-]|$)/
const CLOCKS = new Set(['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'requestAnimationFrame'])

/** What the checker keeps of a file. */
interface Source {
  readonly path: string
  readonly part: Part | undefined
  readonly imports: readonly string[]
}

/** All that is wrong with the files: path under lib to text. Each entry names the file, and what it may do instead. */
export function breaches(files: ReadonlyMap<string, string>): string[] {
  const found: string[] = []
  const sources: Source[] = []
  for (const [path, text] of files) {
    const part = PARTS.find(({ files }) =>
      files.some(place => (place.endsWith('/') ? path.startsWith(place) : path === place)),
    )
    const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true)
    const complain = (what: string): void => void found.push(`${path} ${what}`)
    if (part === undefined) complain('belongs to no part: say in PARTS what it may import')
    checkShape(path, text, complain)
    const imports = checkTree(tree, part, complain)
    sources.push({ path, part, imports })
  }
  const byPath = new Map(sources.map(source => [source.path, source]))
  for (const source of sources) checkImports(source, byPath, found)
  return [...found, ...cycles(byPath)]
}

function checkShape(path: string, text: string, complain: (what: string) => void): void {
  const lines = text.replace(/\n$/, '').split('\n').length
  if (lines > MOST_LINES) complain(`has ${lines} lines, over ${MOST_LINES}: it does two things`)
  if (NAMES_OF_NOTHING.test(path)) complain('has a name that says nothing')
  if (!/^(#!.*\n)?\/\*\*/.test(text)) complain('does not open with what it is for')
}

/** Walks a file: complains about what it says, and gives what it imports, types included. */
function checkTree(tree: ts.SourceFile, part: Part | undefined, complain: (what: string) => void): string[] {
  const imports: string[] = []
  const at = (node: ts.Node): string => `(line ${tree.getLineAndCharacterOfPosition(node.getStart()).line + 1})`
  const clock = (node: ts.Node): void => {
    if (part?.clock !== true) complain(`uses ${node.getText()} by hand ${at(node)}: time comes from a scheduler`)
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      if (node.moduleSpecifier !== undefined) imports.push((node.moduleSpecifier as ts.StringLiteral).text)
    } else if (ts.isImportTypeNode(node)) {
      if (ts.isLiteralTypeNode(node.argument)) imports.push((node.argument.literal as ts.StringLiteral).text)
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [name] = node.arguments
      if (name !== undefined && ts.isStringLiteral(name)) imports.push(name.text)
      else if (part?.plugins !== true) complain(`imports what only runs know ${at(node)}`)
    } else if (ts.isEnumDeclaration(node)) complain(`has an enum ${at(node)}`)
    else if (ts.isExportAssignment(node)) complain(`has a default export ${at(node)}`)
    else if (node.kind === ts.SyntaxKind.DefaultKeyword && !ts.isDefaultClause(node.parent)) {
      complain(`has a default export ${at(node)}`)
    } else if (ts.isExportSpecifier(node) && node.name.text === 'default') complain(`has a default export ${at(node)}`)
    else if (ts.isIdentifier(node) && CLOCKS.has(node.text)) clock(node)
    else if (ts.isPropertyAccessExpression(node) && /^(\w+\.)?(Date|performance)\.now$/.test(node.getText()))
      clock(node)
    else if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length) clock(node)
    else if (ts.isCallExpression(node) && node.expression.getText() === 'Date') clock(node)
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return imports
}

function checkImports({ path, part, imports }: Source, byPath: ReadonlyMap<string, Source>, found: string[]): void {
  if (part === undefined) return
  for (const name of imports) {
    if (name.startsWith('node:')) {
      if (part.node !== true) found.push(`${path} imports ${name}: ${part.name} runs in browsers`)
    } else if (!name.startsWith('.')) {
      const module = name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/')
      const known = part.packages.join(', ') || 'no package'
      if (!part.packages.includes(module)) found.push(`${path} imports ${name}: ${part.name} may import ${known}`)
    } else {
      const other = byPath.get(resolved(path, name))
      if (other === undefined) found.push(`${path} imports ${name}, which is no file of lib`)
      else if (other.part !== undefined && other.part !== part && !part.may.includes(other.part.name)) {
        const known = part.may.join(', ') || 'nothing'
        found.push(`${path} imports ${other.path} of ${other.part.name}: ${part.name} may import ${known}`)
      }
    }
  }
}

/** The path under lib that a relative import means. */
function resolved(path: string, name: string): string {
  return new URL(name, `file:///${path}`).pathname.slice(1)
}

/** Each cycle once, types included: as the files one passes on the way round. */
function cycles(byPath: ReadonlyMap<string, Source>): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const visit = (path: string, way: readonly string[]): void => {
    const before = way.indexOf(path)
    if (before >= 0) {
      found.push(`a cycle of imports: ${[...way.slice(before), path].join(' -> ')}`)
      return
    }
    if (done.has(path)) return
    for (const name of byPath.get(path)?.imports ?? []) {
      if (name.startsWith('.')) visit(resolved(path, name), [...way, path])
    }
    done.add(path)
  }
  for (const path of byPath.keys()) visit(path, [])
  return found
}
