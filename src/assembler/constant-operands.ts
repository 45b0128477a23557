/** Operands that are worth the same in every pass, so that their instruction is encoded once. */

import type { Expression } from './expression';
import type { OperandSyntax } from './operands';

export function isConstantOperand({ body }: OperandSyntax): boolean {
  switch (body.kind) {
    case 'register':
      return true;
    case 'memory':
      return isConstantExpression(body.address.expression);
    case 'value':
      return isConstantExpression(body.expression);
    case 'far-pointer':
      return isConstantExpression(body.segment) && isConstantExpression(body.offset);
  }
}

/** The same in every pass: no label, no `$`. */
function isConstantExpression(expression: Expression): boolean {
  switch (expression.kind) {
    case 'symbol':
    case 'here':
    case 'section-start':
      return false;
    case 'unary':
      return isConstantExpression(expression.operand);
    case 'binary':
      return isConstantExpression(expression.left) && isConstantExpression(expression.right);
    case 'conditional':
      return [expression.condition, expression.whenTrue, expression.whenFalse].every(isConstantExpression);
    default:
      return true;
  }
}
