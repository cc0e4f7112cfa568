package store

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// WishError is what is wrong with one of the wishes.
type WishError struct {
	Index int
	Err   error
}

func (e *WishError) Error() string { return e.Err.Error() }

func (e *WishError) Unwrap() error { return e.Err }

// WishErrors are all that is wrong with the wishes, one each. It speaks of the
// first.
type WishErrors []*WishError

func (e WishErrors) Error() string { return e[0].Error() }

// Unwrap has the first alone, as Error has.
func (e WishErrors) Unwrap() error { return e[0] }

// add takes what is invalid in a wish, so that one look tells of all of them;
// any other error is handed back.
func (e *WishErrors) add(i int, err error) error {
	var known *Error
	if !errors.As(err, &known) || known.Code != Invalid {
		return err
	}
	*e = append(*e, &WishError{i, err})
	return nil
}

// orNil is the error to return: none where there is nothing wrong.
func (e WishErrors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// checkDeployment holds what the columns cannot say.
func checkDeployment(d Deployment) error {
	if d.ConcurrencyLimit != nil && *d.ConcurrencyLimit < 1 {
		return invalid("a concurrency limit of %d: it is 1 or more", *d.ConcurrencyLimit)
	}
	if err := checkTries(d); err != nil {
		return err
	}
	if err := checkPullSteps(d.PullSteps, d.built); err != nil {
		return err
	}
	strategies := []string{Enqueue, CancelNew, Replace}
	if !slices.Contains(strategies, d.CollisionStrategy) {
		e := invalid("no collision strategy %q", d.CollisionStrategy)
		e.Hint = []string{"the strategies are: " + strings.Join(strategies, ", ")}
		return e
	}
	if err := errors.Join(checkCatchup(d), d.Hooks.check()); err != nil {
		return err
	}
	if !d.EnforceParameterSchema {
		return nil
	}
	schema, err := ParseParameterSchema(d.ParameterSchema)
	if err != nil {
		return fmt.Errorf("read parameter schema: %w", err)
	}
	d = d.closed(&schema)
	if err := schema.Validate(d.Parameters, false); err != nil {
		return err
	}
	for _, s := range d.Schedules {
		// A tick has nobody who could add what is missing.
		if err := schema.Validate(d.Parameters.Over(s.Parameters), true); err != nil {
			return fmt.Errorf("schedule %q: %w", s.Slug, err)
		}
	}
	return nil
}

// maxRetryDelay bounds the wait for the next try, in seconds: a year.
const maxRetryDelay = 366 * 24 * 3600

func checkTries(d Deployment) error {
	if d.Retries < 0 {
		return invalid("retries of %d: it is 0 or more", d.Retries)
	}
	if d.RetriesOnCrash < 0 {
		return invalid("retries on a crash of %d: it is 0 or more", d.RetriesOnCrash)
	}
	return errors.Join(checkDelays(d.RetryDelaySeconds), checkJitterFactor(d.RetryJitterFactor), checkTimeout(d.TimeoutSeconds))
}

func checkTimeout(seconds *float64) error {
	if seconds == nil || (*seconds > 0 && !math.IsInf(*seconds, 1)) {
		return nil
	}
	return invalid("a timeout of %v seconds: it is more than 0", *seconds)
}
