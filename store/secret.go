package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A secret is kept as "v1.KEY.DATA": KEY names the key by its hash, DATA is the
// nonce with what AES-256-GCM made of the text, bound to the variable's name so
// that no row can stand in for another.

const secretVersion = "v1"

// KeyPath is the file with the key of the secrets, beside the database.
func (s *Store) KeyPath() string { return s.path + ".key" }

// secretKey is the key and its name.
type secretKey struct {
	name string
	aead cipher.AEAD
}

// readKey reads the key file. One that others may read is refused: it is no
// longer a secret.
func (s *Store) readKey() (k secretKey, err error) {
	info, err := os.Stat(s.KeyPath())
	if err != nil {
		return k, err
	}
	if info.Mode().Perm()&0o077 != 0 && filepath.Separator == '/' {
		return k, keyError("the key file %s can be read by others (mode %04o)", s.KeyPath(), info.Mode().Perm()).
			hint("mend it: chmod 600 " + Quote(s.KeyPath()))
	}
	text, err := os.ReadFile(s.KeyPath())
	if err != nil {
		return k, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != 32 {
		return k, keyError("%s is no key file: 64 hex digits are wanted", s.KeyPath()).hint("put the right one back, from a backup")
	}
	return newKey(key)
}

func newKey(key []byte) (secretKey, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return secretKey{}, err
	}
	aead, err := cipher.NewGCM(block)
	sum := sha256.Sum256(key)
	return secretKey{hex.EncodeToString(sum[:4]), aead}, err
}

// makeKey makes the key file, whole or not at all: the name is linked to a file
// that has its content on disk, and only where there is none.
func (s *Store) makeKey() (secretKey, error) {
	key := make([]byte, 32)
	rand.Read(key)                                             //nolint:errcheck // it never fails
	file, err := os.CreateTemp(filepath.Dir(s.path), ".key-*") // 0600, O_EXCL
	if err != nil {
		return secretKey{}, fmt.Errorf("make key file: %w", err)
	}
	defer os.Remove(file.Name()) //nolint:errcheck // it has its other name
	_, err = file.WriteString(hex.EncodeToString(key) + "\n")
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Link(file.Name(), s.KeyPath())
	}
	if errors.Is(err, fs.ErrExist) {
		return s.readKey()
	}
	if err != nil {
		return secretKey{}, fmt.Errorf("make key file: %w", err)
	}
	return newKey(key)
}

// keyToWrite is the key for a new secret. Where the file is missing it is made,
// unless secrets are there that only the missing one can read.
func (t *tx) keyToWrite() (secretKey, error) {
	k, err := t.s.keyOfAll(t.ctx, t)
	if err == nil && k.aead == nil {
		return t.s.makeKey()
	}
	return k, err
}

// keyOfAll is the key, zero where there is none. It is an error where secrets are
// there that it does not open.
func (s *Store) keyOfAll(ctx context.Context, q querier) (secretKey, error) {
	k, err := s.readKey()
	if errors.Is(err, fs.ErrNotExist) {
		k, err = secretKey{}, nil
	}
	if err != nil {
		return k, err
	}
	others, err := names(ctx, q, "SELECT name FROM variable WHERE is_secret AND value NOT LIKE ? ORDER BY name",
		secretVersion+"."+k.name+".%")
	switch {
	case err != nil:
		return k, err
	case len(others) > 0 && k.aead == nil:
		return k, s.keyMissing(others...)
	case len(others) > 0:
		return k, s.keyWrong(others...)
	}
	return k, nil
}

// Secrets counts them, and gives an error where the key file does not open them all.
func (s *Store) Secrets(ctx context.Context) (count int, err error) {
	err = s.reader.QueryRowContext(ctx, "SELECT count(*) FROM variable WHERE is_secret").Scan(&count)
	if err == nil && count > 0 {
		_, err = s.keyOfAll(ctx, s.reader)
	}
	return count, err
}

func (s *Store) keyMissing(secrets ...string) error {
	return keyError("the key file %s is missing, and only with it can be read: %s", s.KeyPath(), strings.Join(secrets, ", ")).
		hint("put it back, from a backup", "or give the secrets up: runnel variable delete "+strings.Join(secrets, " "))
}

func (s *Store) keyWrong(secrets ...string) error {
	return keyError("made with another key than that in %s: %s", s.KeyPath(), strings.Join(secrets, ", ")).
		hint("put the right key file back, from a backup", "or give the secrets up: runnel variable delete "+strings.Join(secrets, " "))
}

func keyError(format string, args ...any) *Error { return conflict(format, args...) }

func (e *Error) hint(lines ...string) *Error {
	e.Hint = append(e.Hint, lines...)
	return e
}

func (k secretKey) seal(name, text string) string {
	nonce := make([]byte, k.aead.NonceSize())
	rand.Read(nonce) //nolint:errcheck // it never fails
	data := k.aead.Seal(nonce, nonce, []byte(text), []byte(name))
	return secretVersion + "." + k.name + "." + base64.RawStdEncoding.EncodeToString(data)
}

// unseal gives the text of a secret.
func (s *Store) unseal(name, sealed string) (string, error) {
	k, err := s.readKey()
	if errors.Is(err, fs.ErrNotExist) {
		return "", s.keyMissing(name)
	}
	if err != nil {
		return "", err
	}
	parts := strings.Split(sealed, ".")
	if len(parts) != 3 || parts[0] != secretVersion {
		return "", fmt.Errorf("the secret %s is kept in a form that this runnel does not know", name)
	}
	if parts[1] != k.name {
		return "", s.keyWrong(name)
	}
	data, err := base64.RawStdEncoding.DecodeString(parts[2])
	if err != nil || len(data) < k.aead.NonceSize() {
		return "", fmt.Errorf("the secret %s is damaged", name)
	}
	nonce, data := data[:k.aead.NonceSize()], data[k.aead.NonceSize():]
	text, err := k.aead.Open(nil, nonce, data, []byte(name))
	if err != nil {
		return "", fmt.Errorf("the secret %s is damaged, or another's value was put in its place", name)
	}
	return string(text), nil
}
