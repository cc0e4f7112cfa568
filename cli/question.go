package cli

import (
	"errors"
	"slices"
	"strings"
)

// prompter asks a person. Its implementations: huhPrompter in a terminal,
// plainPrompter where a screen must not be redrawn, and the tests' script.
type prompter interface {
	// ask gives the answer, errBack, or errLeft.
	ask(q question) (string, error)
}

// errBack is the wish to see the question before.
var errBack = errors.New("back")

// errLeft is Ctrl-C, Esc, and the end of the input: never a yes.
var errLeft = &exitError{code: exitInterrupted, message: "left; nothing was changed"}

// question is one screen: a list where it has rows, else a line of text.
type question struct {
	above string // lines to print before it, such as the plan that it is about
	title string
	notes []string // what to know before answering
	rows  []row
	// value is what Enter alone answers: a text, or the value of a row.
	value string
	// check judges a text as it is typed: lines to show below it, and why it
	// is no answer.
	check func(text string) (below []string, err error)
	// below is how many lines a check may give.
	below int
}

// row is one line of a list. What is typed is looked for in all of its text.
type row struct {
	group string // rows that follow each other under one heading share it
	text  string
	value string
}

// joined is the row with its columns, which two spaces part, set side by side.
func (r row) joined(separator string) string {
	var columns []string
	for column := range strings.SplitSeq(r.text, "  ") {
		if column = strings.TrimSpace(column); column != "" {
			columns = append(columns, column)
		}
	}
	return strings.Join(columns, separator)
}

// yes and no are the values of a question that yesNoRows makes.
const (
	yes = "yes"
	no  = "no"
)

func yesNoRows(ifYes, ifNo string) []row {
	return []row{{text: "Yes" + ifYes, value: yes}, {text: "No" + ifNo, value: no}}
}

// isYesNo is true where y and n choose.
func (q question) isYesNo() bool {
	return len(q.rows) == 2 && strings.HasPrefix(q.rows[0].text, "Yes") && strings.HasPrefix(q.rows[1].text, "No")
}

// matches gives the places of the rows that hold every word of a text.
// Of yes and no the beginning counts alone.
func (q question) matches(text string) (places []int) {
	text = strings.ToLower(text)
	words := strings.Fields(text)
	for i, r := range q.rows {
		whole := strings.ToLower(r.group + " " + r.text + " " + r.value)
		if q.isYesNo() && !strings.HasPrefix(whole, " "+text) && !strings.HasPrefix(r.value, text) {
			continue
		}
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(whole, word) }) {
			places = append(places, i)
		}
	}
	return places
}

// nearest is the place among places of the row that is called like the text;
// else of the first that begins with it; else the first.
func (q question) nearest(places []int, text string) int {
	text = strings.ToLower(strings.TrimSpace(text))
	begins := -1
	for i, place := range places {
		row := strings.ToLower(q.rows[place].text)
		name, _, _ := strings.Cut(row, "  ")
		if name == text {
			return i
		}
		if begins < 0 && strings.HasPrefix(row, text) {
			begins = i
		}
	}
	return max(0, begins)
}

// called is the place of the one row that is called just like the text, else -1.
func (q question) called(text string) int {
	place := -1
	for i, r := range q.rows {
		name, _, _ := strings.Cut(r.text, "  ")
		if !strings.EqualFold(name, text) {
			continue
		}
		if place >= 0 {
			return -1
		}
		place = i
	}
	return place
}

// place is that of the row which Enter alone answers.
func (q question) place() int {
	return max(0, slices.IndexFunc(q.rows, func(r row) bool { return r.value == q.value }))
}

// admits is true for the value of a row, and for any text where there are none.
func (q question) admits(value string) bool {
	return q.rows == nil || slices.ContainsFunc(q.rows, func(r row) bool { return r.value == value })
}

// judge is check where there is none, too.
func (q question) judge(text string) (below []string, err error) {
	if q.check == nil {
		return nil, nil
	}
	return q.check(text)
}

// answerText is an answer as a line of what was said shows it: of a row with
// columns the first, and without what explains it.
func (q question) answerText(value string) string {
	for _, r := range q.rows {
		if r.value == value {
			first, _, _ := strings.Cut(r.text, "  ")
			first, _, _ = strings.Cut(first, ": ")
			return first
		}
	}
	return value
}
