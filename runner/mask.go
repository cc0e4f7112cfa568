package runner

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

const (
	// masked stands in the log where a secret stood.
	masked = "********"

	// minMasked is the shortest secret that is masked, in bytes: a shorter one
	// is found in every other word.
	minMasked = 4
)

// masker hides secrets in a stream, across the borders of its chunks.
type masker struct {
	secrets [][]byte // the longest first
	first   [256]bool
	held    []byte // may be the beginning of a secret
	out     []byte
	write   func([]byte)
}

// newMasker gives nil where there is nothing to hide.
func newMasker(secrets []string, write func([]byte)) *masker {
	m := &masker{write: write}
	for _, secret := range secretForms(secrets) {
		m.secrets = append(m.secrets, []byte(secret))
		m.first[secret[0]] = true
	}
	if len(m.secrets) == 0 {
		return nil
	}
	return m
}

// secretForms are the secrets as programs are likely to print them: whole, line
// by line, within JSON, within a URL.
func secretForms(secrets []string) (forms []string) {
	for _, secret := range secrets {
		written, _ := json.Marshal(secret)
		forms = append(forms, secret, strings.TrimSpace(secret), string(written[1:len(written)-1]),
			url.QueryEscape(secret), url.PathEscape(secret))
		if lines := strings.FieldsFunc(secret, func(r rune) bool { return r == '\n' || r == '\r' }); len(lines) > 1 {
			forms = append(forms, lines...)
		}
	}
	forms = slices.DeleteFunc(forms, func(form string) bool { return len(form) < minMasked })
	slices.SortFunc(forms, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(forms)
}

func (m *masker) add(chunk []byte) { m.pass(chunk, false) }

// flush passes on what was held back: nothing more comes.
func (m *masker) flush() { m.pass(nil, true) }

func (m *masker) pass(chunk []byte, last bool) {
	m.held = append(m.held, chunk...)
	m.out = m.out[:0]
	at := 0
	for at < len(m.held) {
		rest := m.held[at:]
		if !m.first[rest[0]] {
			m.out = append(m.out, rest[0])
			at++
			continue
		}
		if !last && m.begins(rest) {
			break
		}
		if n := m.match(rest); n > 0 {
			m.out = append(m.out, masked...)
			at += n
			continue
		}
		m.out = append(m.out, rest[0])
		at++
	}
	m.held = append(m.held[:0], m.held[at:]...)
	if len(m.out) > 0 {
		m.write(m.out)
	}
}

// begins says whether rest may go on to be a secret.
func (m *masker) begins(rest []byte) bool {
	for _, secret := range m.secrets {
		if len(rest) < len(secret) && bytes.HasPrefix(secret, rest) {
			return true
		}
	}
	return false
}

// match is the length of the secret that rest begins with, or 0.
func (m *masker) match(rest []byte) int {
	for _, secret := range m.secrets {
		if bytes.HasPrefix(rest, secret) {
			return len(secret)
		}
	}
	return 0
}

// Holds is true where a text has a secret in it, in any of the forms that logs
// hide.
func Holds(text, secret string) bool { return maskText(text, []string{secret}) != text }

// maskText hides the secrets in a message.
func maskText(text string, secrets []string) string {
	var out strings.Builder
	m := newMasker(secrets, func(chunk []byte) { out.Write(chunk) })
	if m == nil {
		return text
	}
	m.add([]byte(text))
	m.flush()
	return out.String()
}
