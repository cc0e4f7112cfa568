package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Variable is a value that deployments and flows ask for by name.
type Variable struct {
	ID       ID              `json:"id"`
	Name     string          `json:"name"`
	Value    json.RawMessage `json:"value"` // of a secret MaskedValue
	IsSecret bool            `json:"is_secret"`
	Created  time.Time       `json:"created"`
	Updated  time.Time       `json:"updated"`

	kept string // the column
}

// MaskedValue stands where the value of a secret is not shown.
const MaskedValue = "********"

// maxVariable bounds a value: it must fit into one variable of an environment.
const maxVariable = 64 << 10

// VariableValue reads a value as a command line gives it: JSON is that value,
// and what is no JSON is text. A secret is always text.
func VariableValue(text string, secret bool) (json.RawMessage, error) {
	if !utf8.ValidString(text) {
		return nil, invalid("the value is not UTF-8 text").hint("keep it as base64")
	}
	if secret || !json.Valid([]byte(text)) {
		return quoteJSON(text), nil
	}
	var b bytes.Buffer
	err := json.Compact(&b, []byte(text))
	return b.Bytes(), err
}

// SetVariable makes a variable, or changes it; what was there before is in old,
// nil where it is new. A secret stays one: its value is text, and encrypted.
func (s *Store) SetVariable(ctx context.Context, name string, value json.RawMessage, secret bool) (old *Variable, err error) {
	if err := checkVariable(name, value, secret); err != nil {
		return nil, err
	}
	err = s.update(ctx, func(t *tx) error {
		found, err := scanVariable(t.QueryRowContext(t.ctx, selectVariable+" WHERE name = ?", name))
		switch {
		case err == nil:
			old = &found
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		if old != nil && old.IsSecret && !secret {
			return conflict("%s is a secret, and what is given is not", name).
				hint("change it: runnel variable set "+name+" --secret", "or make it plain: runnel variable delete "+name+", then set it")
		}
		kept := string(value)
		if secret {
			// A secret that is replaced needs no key to be read.
			if _, err := t.exec("DELETE FROM variable WHERE name = ?", name); err != nil {
				return err
			}
			key, err := t.keyToWrite()
			if err != nil {
				return err
			}
			kept = key.seal(name, TextOf(value))
		}
		return t.putVariable(name, kept, secret, old)
	})
	return old, err
}

func checkVariable(name string, value json.RawMessage, secret bool) error {
	if err := checkPlainName("variable", name); err != nil {
		return err
	}
	if !json.Valid(value) {
		return invalid("the value of %s is not JSON", name)
	}
	if secret && !is[string](value) {
		return invalid("the secret %s must be text", name)
	}
	if secret && TextOf(value) == "" {
		return invalid("the secret %s would be empty", name)
	}
	if len(value) > maxVariable {
		return invalid("the value of %s has %d bytes, and at most %d are kept", name, len(value), maxVariable)
	}
	return nil
}

func (t *tx) putVariable(name, kept string, secret bool, old *Variable) error {
	id, created := NewID(), t.now
	if old != nil {
		id, created = old.ID, micros(old.Created)
	}
	_, err := t.exec(`
		INSERT INTO variable (id, name, value, is_secret, created, updated)
		VALUES (?, ?, ?, ?, ?, ?)
		    ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated = excluded.updated`,
		id, name, kept, secret, created, t.now)
	if err != nil {
		return fmt.Errorf("write variable: %w", err)
	}
	return nil
}

const selectVariable = "SELECT id, name, value, is_secret, created, updated FROM variable"

func scanVariable(r row) (v Variable, err error) {
	var created, updated int64
	err = r.Scan(&v.ID, &v.Name, &v.kept, &v.IsSecret, &created, &updated)
	v.Created, v.Updated = instant(created), instant(updated)
	v.Value = json.RawMessage(v.kept)
	if v.IsSecret {
		v.Value = quoteJSON(MaskedValue)
	}
	return v, err
}

// Variables lists all by name; secrets are masked.
func (s *Store) Variables(ctx context.Context) ([]Variable, error) {
	return collect(ctx, s.reader, scanVariable, selectVariable+" ORDER BY name")
}

// Variable reads one; a secret is masked.
func (s *Store) Variable(ctx context.Context, name string) (Variable, error) {
	return variableByName(ctx, s.reader, name)
}

func variableByName(ctx context.Context, q querier, name string) (Variable, error) {
	v, err := scanVariable(q.QueryRowContext(ctx, selectVariable+" WHERE name = ?", name))
	if !errors.Is(err, sql.ErrNoRows) {
		return v, err
	}
	known, err := names(ctx, q, "SELECT name FROM variable ORDER BY name")
	if err != nil {
		return v, err
	}
	e := notFound("variable", name, known)
	switch {
	case len(known) == 0:
		e.hint("there are none yet; set one: runnel variable set NAME VALUE")
	case len(e.Hint) == 0:
		e.hint("list them: runnel variable ls")
	}
	return v, e
}

// Secret reads the text of a secret.
func (s *Store) Secret(ctx context.Context, name string) (string, error) {
	v, err := s.Variable(ctx, name)
	if err != nil {
		return "", err
	}
	if !v.IsSecret {
		return "", conflict("%s is a plain variable, no secret", name)
	}
	return s.unseal(name, v.kept)
}

// DeleteVariables removes variables and secrets, all or none.
func (s *Store) DeleteVariables(ctx context.Context, targets []string) error {
	return s.update(ctx, func(t *tx) error {
		for _, name := range targets {
			v, err := variableByName(t.ctx, t, name)
			if err != nil {
				return err
			}
			if _, err := t.exec("DELETE FROM variable WHERE id = ?", v.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// TemplateValues reads what the templates in some JSON values ask of the
// variables, by the template's name, and apart the texts of the secrets. One
// that is missing is an error that says how to set it.
func (s *Store) TemplateValues(ctx context.Context, raws ...json.RawMessage) (values map[string]json.RawMessage, secrets []string, err error) {
	values = map[string]json.RawMessage{}
	for _, raw := range raws {
		asked, err := templatesIn(raw)
		if err != nil {
			return nil, nil, err
		}
		for _, template := range asked {
			name, secret, ok := VariableOf(template)
			if _, done := values[template]; done || !ok {
				continue
			}
			if values[template], err = s.templateValue(ctx, name, secret); err != nil {
				return nil, nil, err
			}
			if secret {
				secrets = append(secrets, TextOf(values[template]))
			}
		}
	}
	return values, secrets, nil
}

func (s *Store) templateValue(ctx context.Context, name string, secret bool) (json.RawMessage, error) {
	v, err := s.Variable(ctx, name)
	var missing *Error
	switch {
	case errors.As(err, &missing) && missing.Code == NotFound, err == nil && v.IsSecret != secret:
		return nil, missingVariable(name, secret, err == nil)
	case err != nil:
		return nil, err
	case !secret:
		return v.Value, nil
	}
	text, err := s.unseal(name, v.kept)
	return quoteJSON(text), err
}

// missingVariable tells of one that is not there, or is there as the other kind.
func missingVariable(name string, secret, other bool) error {
	kind, line := "variable", "runnel variable set "+name+" VALUE"
	if secret {
		kind, line = "secret", "runnel variable set "+name+" --secret"
	}
	e := &Error{Code: NotFound, Message: fmt.Sprintf("there is no %s %s", kind, name)}
	switch {
	case !other:
		return e.hint("set it: " + line)
	case secret:
		return e.hint("there is a plain variable of that name; make it one: " + line)
	}
	return e.hint("it is a secret; ask for it as {{ " + secretPrefix + name + " }}")
}

// OneLine is an error with what mends it.
func OneLine(err error) string {
	var e *Error
	if !errors.As(err, &e) || len(e.Hint) == 0 {
		return err.Error()
	}
	return err.Error() + "; " + strings.Join(e.Hint, "; ")
}
