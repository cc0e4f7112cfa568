package cli

import (
	"bufio"
	"strings"
)

// yesFlag is on every command that takes away what cannot be had back.
type yesFlag struct {
	Yes bool `short:"y" help:"Do not ask."`
}

// confirm asks on a terminal, where anything but yes changes nothing. Elsewhere
// nobody is asked: without --yes it is refused.
func (a *app) confirm(question string, f yesFlag) error {
	if f.Yes {
		return nil
	}
	if !a.interactive() {
		return &exitError{
			code: exitRefused, message: "nothing was changed: this is not done without being asked for",
			hint: []string{"do it: the same with --yes"},
		}
	}
	_, _ = a.Err.Write([]byte(safe(question) + " [y/N] "))
	answer, _ := bufio.NewReader(a.In).ReadString('\n') // its end means no
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return &exitError{code: exitFailed, message: "nothing was changed"}
}
