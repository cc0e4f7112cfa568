package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

func setSecret(t *testing.T, s *Store, name, text string) {
	t.Helper()
	_, err := s.SetVariable(context.Background(), name, quoteJSON(text), true)
	must(t, err)
}

// TestASecretIsBoundToItsName: a row that gets another's value, or another
// byte, is no secret any more.
func TestASecretIsBoundToItsName(t *testing.T) {
	s, ctx := open(t), context.Background()
	setSecret(t, s, "one", "first")
	setSecret(t, s, "two", "second")
	if text, err := s.Secret(ctx, "one"); text != "first" || err != nil {
		t.Fatalf("%q, %v", text, err)
	}
	for _, change := range []string{
		"UPDATE variable SET value = (SELECT value FROM variable WHERE name = 'two') WHERE name = 'one'",
		"UPDATE variable SET value = substr(value, 1, length(value) - 8) || 'AAAAAAAA' WHERE name = 'one'",
		"UPDATE variable SET value = 'first' WHERE name = 'one'",
	} {
		must(t, s.update(ctx, func(t *tx) error { _, err := t.exec(change); return err }))
		if text, err := s.Secret(ctx, "one"); err == nil || text != "" {
			t.Errorf("%s: %q", change, text)
		}
	}
	if text, err := s.Secret(ctx, "two"); text != "second" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// TestTheSameSecretIsKeptDifferently: who sees two rows learns nothing of them.
func TestTheSameSecretIsKeptDifferently(t *testing.T) {
	s := open(t)
	setSecret(t, s, "one", "same")
	setSecret(t, s, "two", "same")
	if n := number(t, s, "SELECT count(DISTINCT value) FROM variable"); n != 2 {
		t.Error("equal secrets have equal rows")
	}
}

// TestManyMakeOneKey: all that set their first secret at once use one key.
func TestManyMakeOneKey(t *testing.T) {
	s, ctx := open(t), context.Background()
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() {
			other := New(s.Path())
			if errs[i] = other.Open(ctx); errs[i] != nil {
				return
			}
			_, err := other.SetVariable(ctx, fmt.Sprint("s", i), quoteJSON(fmt.Sprint("text ", i)), true)
			errs[i] = errors.Join(err, other.Close())
		})
	}
	all.Wait()
	must(t, errors.Join(errs...))
	for i := range errs {
		if text, err := s.Secret(ctx, fmt.Sprint("s", i)); text != fmt.Sprint("text ", i) || err != nil {
			t.Errorf("%d: %q, %v", i, text, err)
		}
	}
	if info, err := os.Stat(s.KeyPath()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file: %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(strings.TrimSuffix(s.Path(), "/runnel.db"))
	must(t, err)
	for _, entry := range left {
		if strings.HasPrefix(entry.Name(), ".key-") {
			t.Errorf("%s is left", entry.Name())
		}
	}
}

func TestTemplateValues(t *testing.T) {
	s, ctx := open(t), context.Background()
	setSecret(t, s, "token", `s"1`)
	_, err := s.SetVariable(ctx, "top", json.RawMessage("5"), false)
	must(t, err)
	values, secrets, err := s.TemplateValues(ctx, raw(`{"a": ["{{ prefect.variables.top }} {{prefect.blocks.secret.token}}", "{{ other }}"]}`), raw(`"x"`))
	must(t, err)
	if len(values) != 2 || string(values["prefect.variables.top"]) != "5" || string(values["prefect.blocks.secret.token"]) != `"s\"1"` {
		t.Errorf("values %s", values)
	}
	if len(secrets) != 1 || secrets[0] != `s"1` {
		t.Errorf("secrets %q", secrets)
	}
	for template, want := range map[string]string{
		"prefect.variables.tip":      "there is no variable tip; set it: runnel variable set tip VALUE",
		"prefect.blocks.secret.tip":  "there is no secret tip; set it: runnel variable set tip --secret",
		"prefect.blocks.secret.top":  "there is no secret top; there is a plain variable of that name; make it one: runnel variable set top --secret",
		"prefect.variables.token":    "there is no variable token; it is a secret; ask for it as {{ prefect.blocks.secret.token }}",
		"prefect.blocks.secret.a'b ": "there is no secret a'b",
	} {
		_, _, err := s.TemplateValues(ctx, quoteJSON("{{ "+template+" }}"))
		if err == nil || !strings.HasPrefix(OneLine(err), want) {
			t.Errorf("%s: %v", template, err)
		}
	}
}
