package discover

import "fmt"

// tokenKind is a byte: an operator of one character is that character, so the
// parser can say p.at('('); everything else has a name from 128 up.
type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokNewline
	tokIndent
	tokDedent
	tokName
	tokNumber
	tokString      // a whole literal without replacement fields, prefix and quotes included
	tokFieldStart  // f" or t", prefix and opening quotes
	tokFieldMiddle // literal text between replacement fields
	tokFieldEnd    // closing quotes
)

// Operators of more than one character. <> is not among them: Python itself
// takes it only after an import from __future__ that is a joke.
const (
	tokPower tokenKind = 128 + iota
	tokFloorDiv
	tokShiftLeft
	tokShiftRight
	tokLessEqual
	tokGreaterEqual
	tokEqual
	tokNotEqual
	tokArrow
	tokWalrus
	tokEllipsis
	tokAugAssign // every one of += -= *= …: the parser never tells them apart
)

// Keywords. Soft ones (match, case, type, _) stay names.
const (
	kwFalse tokenKind = 160 + iota
	kwNone
	kwTrue
	kwAnd
	kwAs
	kwAssert
	kwAsync
	kwAwait
	kwBreak
	kwClass
	kwContinue
	kwDef
	kwDel
	kwElif
	kwElse
	kwExcept
	kwFinally
	kwFor
	kwFrom
	kwGlobal
	kwIf
	kwImport
	kwIn
	kwIs
	kwLambda
	kwNonlocal
	kwNot
	kwOr
	kwPass
	kwRaise
	kwReturn
	kwTry
	kwWhile
	kwWith
	kwYield
)

var keywords = map[string]tokenKind{
	"False": kwFalse, "None": kwNone, "True": kwTrue, "and": kwAnd, "as": kwAs, "assert": kwAssert,
	"async": kwAsync, "await": kwAwait, "break": kwBreak, "class": kwClass, "continue": kwContinue,
	"def": kwDef, "del": kwDel, "elif": kwElif, "else": kwElse, "except": kwExcept, "finally": kwFinally,
	"for": kwFor, "from": kwFrom, "global": kwGlobal, "if": kwIf, "import": kwImport, "in": kwIn, "is": kwIs,
	"lambda": kwLambda, "nonlocal": kwNonlocal, "not": kwNot, "or": kwOr, "pass": kwPass, "raise": kwRaise,
	"return": kwReturn, "try": kwTry, "while": kwWhile, "with": kwWith, "yield": kwYield,
}

// token is a kind and the half-open range of bytes that it covers.
type token struct {
	kind       tokenKind
	start, end int32
}

// syntaxError is where and why a file is not Python. pos is a byte offset into
// the decoded text.
type syntaxError struct {
	pos int
	msg string
}

func (e *syntaxError) Error() string { return e.msg }

func syntaxErrorf(pos int, format string, args ...any) *syntaxError {
	return &syntaxError{pos: pos, msg: fmt.Sprintf(format, args...)}
}
