package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
)

var errNoMatch = errors.New("nothing matches")

// plainPrompter asks line by line, for screen readers and terminals that
// cannot redraw. One reader for all questions: a second one would lose what
// the first has read ahead.
type plainPrompter struct {
	*IO
	lines chan string // closed at the end of the input
	ctx   context.Context
	told  *sync.Once // how to answer
}

func newPlainPrompter(ctx context.Context, s *IO) plainPrompter {
	p := plainPrompter{IO: s, lines: make(chan string), ctx: ctx, told: new(sync.Once)}
	go func() {
		defer close(p.lines)
		scanner := bufio.NewScanner(s.In)
		for scanner.Scan() {
			select {
			case p.lines <- strings.TrimSpace(scanner.Text()):
			case <-ctx.Done():
				return
			}
		}
	}()
	return p
}

// plainRows is how many rows of a list are read out before something is typed.
const plainRows = 20

func (p plainPrompter) ask(q question) (string, error) {
	p.told.Do(func() {
		p.say("Enter alone takes what stands in brackets; < goes back, Ctrl-C leaves and changes nothing.")
	})
	if q.above != "" {
		p.say("%s", q.above)
	}
	p.say("\n%s", q.title)
	for _, note := range q.notes {
		p.say("%s", note)
	}
	p.list(q, q.matches(""))
	for parted := false; ; {
		p.prompt(q, parted)
		text, err := p.read()
		if err != nil {
			return "", err
		}
		if text == "<" {
			return "", errBack
		}
		if parted && text == "" {
			continue // the default is not among the rows that were read out last
		}
		if answer, taken := p.take(q, text); taken {
			return answer, nil
		}
		parted = parted || len(q.matches(text)) > 1
	}
}

// prompt names the default, but not once a part of the list was asked for.
func (p plainPrompter) prompt(q question, parted bool) {
	words, preset := "Answer", q.value
	if q.rows != nil {
		words, preset = "Number, or part of the text", strconv.Itoa(q.place()+1)
	}
	if preset != "" && !parted {
		words += " [" + preset + "]"
	}
	_, _ = fmt.Fprint(p.Err, safe(words)+": ") // a closed stderr leaves nobody to ask
}

// read waits for a line. Its end is no answer, and neither is Ctrl-C: one that
// comes with a line counts before it, and one between two lines ends the process.
func (p plainPrompter) read() (string, error) {
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt)
	text, answered := "", false
	select {
	case text, answered = <-p.lines:
	case <-interrupt:
	case <-p.ctx.Done():
	}
	signal.Stop(interrupt)
	if answered && len(interrupt) == 0 {
		return text, nil
	}
	p.say("")
	return "", errLeft
}

// take judges a line that was typed.
func (p plainPrompter) take(q question, text string) (answer string, taken bool) {
	if q.rows != nil {
		return p.choose(q, text)
	}
	if text == "" {
		text = q.value
	}
	below, err := q.judge(text)
	for _, line := range below {
		p.say("  %s", line)
	}
	if err != nil {
		p.say("%s", err)
		return "", false
	}
	return text, true
}

func (p plainPrompter) choose(q question, text string) (answer string, taken bool) {
	if text == "" {
		return q.rows[q.place()].value, true
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(q.rows) {
		return q.rows[n-1].value, true
	}
	places := q.matches(text)
	if place := q.called(text); place >= 0 {
		places = []int{place}
	}
	switch len(places) {
	case 0:
		p.say("%s", errNoMatch)
	case 1:
		p.say("%s", q.answerText(q.rows[places[0]].value))
		return q.rows[places[0]].value, true
	default:
		p.list(q, places)
	}
	return "", false
}

func (p plainPrompter) list(q question, places []int) {
	group := ""
	for i, place := range places {
		r := q.rows[place]
		if i == plainRows {
			p.say("… and %d more: type a part of the one that you want", len(places)-plainRows)
			return
		}
		if r.group != group {
			group = r.group
			p.say("%s", clean(group))
		}
		p.say("%d. %s", place+1, clean(r.joined(", ")))
	}
}
