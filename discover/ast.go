package discover

// exprKind says what an expression is. Only the kinds that discovery reads are
// told apart; the rest are exprOther, parsed and checked but not kept in detail.
type exprKind uint8

const (
	exprOther     exprKind = iota
	exprName               // text
	exprAttribute          // args[0].text
	exprCall               // args[0] called with args[1:] and keywords
	exprSubscript          // args[0][args[1]]
	exprString             // literal pieces in tokens [tok, tokEnd); one with fields is exprOther
	exprNumber             // text
	exprConstant           // text: True, False, None, ...
	exprTuple
	exprList
	exprSet
	exprDict    // args: key, value, key, value; a nil key is **value
	exprUnary   // text: + - ~ not
	exprBinary  // a chain of one precedence: args, text has the operators' bytes
	exprCompare // args; text is "==" for a single ==
	exprBool    // and, or
	exprStarred // *args[0]
	exprYield
	exprNamed // name := value
	exprGenerator
	exprComprehension
)

// expr is one expression. start and end cover what ast reports; outer ones
// also the redundant parentheses around it, as the source is shown to people.
type expr struct {
	kind                 exprKind
	parenthesised        bool
	start, end           int32
	outerStart, outerEnd int32
	tok, tokEnd          int32
	text                 string
	args                 []*expr
	keywords             []keyword
}

// keyword is name=value in a call or class header; name is "" for **value.
type keyword struct {
	name  string
	value *expr
}

type stmtKind uint8

const (
	stmtOther stmtKind = iota
	stmtFunction
	stmtClass
	stmtIf
	stmtWith
	stmtTry
	stmtLoop
	stmtMatch
	stmtAssign    // targets = value; annotated when annotation is set
	stmtAugment   // targets += something
	stmtTypeAlias // type name[typeParams] = value
	stmtImport
	stmtExpr
)

// stmt is one statement with those below it.
type stmt struct {
	kind       stmtKind
	async      bool
	start, end int32 // of def or class itself, not of its decorators
	name       string
	decorators []*expr
	typeParams []typeParam
	params     []param
	returns    *expr
	bases      []*expr
	keywords   []keyword
	targets    []*expr
	annotation *expr
	value      *expr // assigned or evaluated, or an if's condition
	imports    []imported
	body       []*stmt
	rest       []*stmt // else, elif, except, finally, further cases
}

// typeParam is a PEP 695 parameter; stars is 1 for *Ts and 2 for **P.
type typeParam struct {
	name       string
	stars      int
	bound      *expr
	start, end int32
}

type paramKind uint8

const (
	positionalOnly paramKind = iota
	positionalOrKeyword
	varPositional
	keywordOnly
	varKeyword
)

type param struct {
	name       string
	kind       paramKind
	start      int32
	annotation *expr
	value      *expr // default
}

// imported is one name that an import statement binds.
type imported struct {
	module string // dots of a relative import included; "" for import x
	name   string // dotted for import x.y, * for a star
	as     string
}

// module is one parsed file.
type module struct {
	text  string
	toks  []token
	lines []int32 // offset of each line's first byte
	body  []*stmt
}
