/**
 * What the pure rooms may not touch, found in the syntax tree of a file: clock, chance, I/O, locale, floating point,
 * anything asynchronous, and orders that are nobody's promise. It judges names, not types: a pure file that uses one
 * of these names for something harmless chooses another name.
 */
import { isBuiltin } from 'node:module';
import ts from 'typescript';

type Names = ReadonlySet<string>;

const GLOBALS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    clock: ['performance', 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'Temporal'],
    chance: ['crypto', 'getRandomValues', 'randomUUID', 'randomBytes'],
    'floating point': ['parseFloat', 'Float16Array', 'Float32Array', 'Float64Array'],
    asynchronous: ['Promise'],
    locale: ['Intl'],
    'I/O': [
      'require',
      'fetch',
      'console',
      'XMLHttpRequest',
      'WebSocket',
      'localStorage',
      'Atomics',
      'SharedArrayBuffer',
    ],
    environment: ['process', 'globalThis', 'global', 'self', 'window', 'navigator', 'Buffer', 'WebAssembly'],
    order: ['WeakRef', 'FinalizationRegistry'],
    'code from text': ['eval', 'Function'],
  }).flatMap(([ban, names]) => names.map((name) => [name, ban] as const)),
);

/** Members that are banned whatever they are read from. */
const MEMBERS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    chance: ['getRandomValues', 'randomUUID', 'randomBytes'],
    'floating point': [
      'parseFloat',
      'toFixed',
      'toPrecision',
      'toExponential',
      'getFloat32',
      'getFloat64',
      'setFloat32',
      'setFloat64',
    ],
    locale: [
      'localeCompare',
      'toLocaleString',
      'toLocaleDateString',
      'toLocaleTimeString',
      'toLocaleLowerCase',
      'toLocaleUpperCase',
    ],
    'local time': [
      'getTimezoneOffset',
      'getFullYear',
      'getMonth',
      'getDate',
      'getDay',
      'getHours',
      'getMinutes',
      'getSeconds',
      'getMilliseconds',
      'setFullYear',
      'setMonth',
      'setDate',
      'setHours',
      'setMinutes',
      'setSeconds',
      'toDateString',
      'toTimeString',
    ],
    environment: ['getBuiltinModule'],
  }).flatMap(([ban, names]) => names.map((name) => [name, ban] as const)),
);

/** Exact on integers, and the same on every machine. */
const MATH_ALLOWED: ReadonlySet<string> = new Set([
  'max',
  'min',
  'floor',
  'ceil',
  'trunc',
  'abs',
  'sign',
  'clz32',
  'imul',
]);
const DATE_ALLOWED: ReadonlySet<string> = new Set(['UTC']);
/** What a file with native code may say besides. */
const NATIVE: Names = new Set(['globalThis', 'process', 'getBuiltinModule', 'Buffer']);
const NOTHING: Names = new Set();

/**
 * Every ban that the text of a file breaks, as `path:line: ban: what`. With `native`, the file may look for Node's
 * built-in modules.
 */
export function bansIn(path: string, text: string, { native }: { readonly native: boolean }): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  const bound = boundNames(source);
  const found: string[] = [];
  const report = (node: ts.Node, ban: string): void => {
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
    found.push(`${path}:${line}: ${ban}: ${node.getText(source).slice(0, 60)}`);
  };
  const visit = (node: ts.Node): void => {
    const ban = banOf(node, bound, native ? NATIVE : NOTHING);
    if (ban !== null) report(node, ban);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Names that the file gives to something of its own: a parameter `self` is not the global of that name. */
function boundNames(source: ts.SourceFile): Names {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (
      (ts.isParameter(node) ||
        ts.isVariableDeclaration(node) ||
        ts.isBindingElement(node) ||
        ts.isFunctionDeclaration(node)) &&
      node.name !== undefined &&
      ts.isIdentifier(node.name)
    ) {
      names.add(node.name.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return names;
}

function banOf(node: ts.Node, bound: Names, allowed: Names): string | null {
  if (ts.isIdentifier(node)) return banOfName(node, bound, allowed);
  if (ts.isNumericLiteral(node)) return Number.isInteger(Number(node.text)) ? null : 'floating point';
  if (ts.isForInStatement(node)) return 'order';
  if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier !== undefined))
    return 'asynchronous';
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return 'asynchronous';
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return banOfImport(node);
  if (ts.isElementAccessExpression(node)) return banOfElement(node, allowed);
  if (ts.isCallExpression(node)) return banOfCall(node);
  if (ts.isNewExpression(node)) return banOfNew(node);
  return null;
}

function banOfImport(node: ts.ImportDeclaration | ts.ExportDeclaration): string | null {
  const specifier = node.moduleSpecifier;
  return specifier !== undefined && ts.isStringLiteral(specifier) && isBuiltin(specifier.text) ? 'I/O' : null;
}

function banOfName(node: ts.Identifier, bound: Names, allowed: Names): string | null {
  const name = node.text;
  if (allowed.has(name)) return null;
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) {
    return MEMBERS.get(name) ?? banOfStatic(parent.expression, name);
  }
  if (isDeclaredName(node) || bound.has(name)) return null;
  if (name === 'Date' || name === 'Math') return banOfNamespace(node);
  return GLOBALS.get(name) ?? null;
}

/** A member of a type or an object, which only shares its name with a global. */
function isDeclaredName(node: ts.Identifier): boolean {
  const parent = node.parent;
  return (
    (ts.isPropertySignature(parent) ||
      ts.isMethodSignature(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isPropertyAssignment(parent)) &&
    parent.name === node
  );
}

function banOfStatic(receiver: ts.Expression, name: string): string | null {
  if (!ts.isIdentifier(receiver)) return null;
  if (receiver.text === 'Math' && !MATH_ALLOWED.has(name)) return name === 'random' ? 'chance' : 'floating point';
  if (receiver.text === 'Date' && !DATE_ALLOWED.has(name)) return name === 'parse' ? 'local time' : 'clock';
  return null;
}

/** `Math` and `Date` only as the receiver of a member (judged there), in `new Date(…)` (judged there), or as a type. */
function banOfNamespace(node: ts.Identifier): string | null {
  const parent = node.parent;
  const receiver =
    (ts.isPropertyAccessExpression(parent) || ts.isElementAccessExpression(parent)) && parent.expression === node;
  if (receiver || ts.isTypeReferenceNode(parent)) return null;
  if (ts.isNewExpression(parent) && parent.expression === node) return null;
  return node.text === 'Math' ? 'chance' : 'clock';
}

function banOfElement(node: ts.ElementAccessExpression, allowed: Names): string | null {
  const name = node.argumentExpression;
  if (!ts.isStringLiteralLike(name) || allowed.has(name.text)) return null;
  return MEMBERS.get(name.text) ?? banOfStatic(node.expression, name.text);
}

function banOfCall(node: ts.CallExpression): string | null {
  if (node.expression.kind === ts.SyntaxKind.ImportKeyword) return 'I/O';
  const callee = node.expression;
  const sorts = ts.isPropertyAccessExpression(callee) && ['sort', 'toSorted'].includes(callee.name.text);
  return sorts && node.arguments.length === 0 ? 'order' : null;
}

/** A date from a number of milliseconds means the same everywhere; from parts or most texts it is local time. */
function banOfNew(node: ts.NewExpression): string | null {
  if (!ts.isIdentifier(node.expression) || node.expression.text !== 'Date') return null;
  const [first, second] = node.arguments ?? [];
  if (first === undefined) return 'clock';
  return second !== undefined || ts.isStringLiteralLike(first) ? 'local time' : null;
}
