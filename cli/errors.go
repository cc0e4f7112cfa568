package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"runnel/store"
)

// The exit codes. A run's own end has three, so that scripts can tell them
// apart: `runnel help exit-codes` lists them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitRefused     = 4
	exitRunFailed   = 5
	exitCancelled   = 6
	exitCrashed     = 7
	exitTimeout     = 124
	exitInterrupted = 130
)

// exitError ends the process with a code. Without a message nothing is said:
// the command has said all.
type exitError struct {
	code    int
	message string
	hint    []string
}

func (e *exitError) Error() string { return e.message }

func usage(format string, args ...any) *exitError {
	return &exitError{code: exitUsage, message: fmt.Sprintf(format, args...)}
}

// exitCode is the one place where errors become codes.
func exitCode(err error) int {
	var exit *exitError
	var known *store.Error
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &known):
		switch known.Code {
		case store.NotFound:
			return exitNotFound
		case store.Conflict, store.Invalid, store.Ambiguous:
			return exitRefused
		}
	}
	return exitFailed
}

// elide keeps the beginning and the end of a message that echoes something
// very long: what is wrong with it most often stands behind it.
func elide(message string) string {
	const longest, end = 600, 200 // characters
	runes := []rune(message)
	if len(runes) <= longest {
		return message
	}
	return string(runes[:longest-end]) + " … " + string(runes[len(runes)-end:])
}

// errorObject is an error for programs.
type errorObject struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// report tells an error on stderr: as an object where JSON is wanted, else as
// a line with its hints below.
func (s *IO) report(err error, asJSON bool) {
	message, hint, code := describe(err)
	if message == "" {
		return
	}
	if log, isOpen := s.Err.(*jsonLog); isOpen {
		log.failed(message, hint)
		return
	}
	if asJSON {
		object := errorObject{errorBody{Code: code, Message: message, Hint: strings.Join(hint, "\n")}}
		// A closed stderr leaves nobody to tell.
		_ = encodeJSON(s.Err, object, "")
		return
	}
	s.say("%s %s", s.colour(s.ErrTerminal, red, "runnel:"), elide(message))
	for _, line := range hint {
		s.say("  %s", line)
	}
}

func describe(err error) (message string, hint []string, code string) {
	var exit *exitError
	var known *store.Error
	code = codeWord(exitCode(err))
	switch {
	case errors.As(err, &exit):
		return exit.message, exit.hint, code
	case errors.As(err, &known):
		return err.Error(), known.Hint, known.Code
	case errors.Is(err, context.Canceled):
		return "interrupted", nil, code
	}
	return err.Error(), nil, code
}
