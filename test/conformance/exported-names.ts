import ts from "typescript";

/**
 * The names a classic script declares for the scripts after it that evaluating its text keeps to itself: `let`, `const`
 * and `class`, and in a strict script `var` and functions too.
 */
export function hiddenNames(source: string): string[] {
  const { statements } = ts.createSourceFile(
    "script.js",
    source,
    ts.ScriptTarget.Latest,
    false,
    ts.ScriptKind.JS,
  );
  const isStrict = hasStrictDirective(statements);
  const names: string[] = [];
  for (const statement of statements) {
    if (ts.isVariableStatement(statement)) {
      const isLexical = (statement.declarationList.flags & ts.NodeFlags.BlockScoped) !== 0;
      if (!isLexical && !isStrict) continue;
      for (const { name } of statement.declarationList.declarations) collect(name, names);
    } else if (ts.isClassDeclaration(statement) || (isStrict && ts.isFunctionDeclaration(statement))) {
      if (statement.name) names.push(statement.name.text);
    }
  }
  return names;
}

function hasStrictDirective(statements: ts.NodeArray<ts.Statement>): boolean {
  for (const statement of statements) {
    if (!ts.isExpressionStatement(statement) || !ts.isStringLiteral(statement.expression)) return false;
    if (statement.expression.text === "use strict") return true;
  }
  return false;
}

function collect(name: ts.BindingName, names: string[]): void {
  if (ts.isIdentifier(name)) names.push(name.text);
  else for (const element of name.elements) if (ts.isBindingElement(element)) collect(element.name, names);
}
