package secret

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What we hash with: OWASP's password storage cheat sheet, argon2id, the
// choice with the least memory that still takes t=2. Measured: 19 ms.
const (
	argonMemory  = 19 * 1024 // KiB
	argonTime    = 2         // passes
	argonThreads = 1
	argonSalt    = 16 // bytes, RFC 9106 section 3.1
	argonKey     = 32 // bytes
)

// MaxPassword is the longest password that is looked at, in bytes. Longer ones
// are wrong without being hashed; no person types them.
const MaxPassword = 1024

// ErrUnreadable says that a stored hash is of no scheme that we can verify, or
// beyond its limits. It is our trouble, never a wrong password.
var ErrUnreadable = errors.New("stored password hash is of no scheme that can be verified")

// ErrPlain says that a stored password is not hashed at all.
var ErrPlain = errors.New("stored password is in the clear: import it with an explicit permission, which hashes it")

var argonPrefix = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, argonMemory, argonTime, argonThreads)

// Hash returns the argon2id hash of a password as a PHC string.
func Hash(password []byte) string {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the process instead
	return argonPrefix + b64(salt) + "$" + b64(argonIDKey(password, salt))
}

// Match is what verifying a password came to.
type Match struct {
	OK bool
	// Rehash says that the stored hash is not what Hash makes today; a caller
	// who sees OK may store a new one.
	Rehash bool
}

// Verify says whether password is the one that stored was made of. The error
// is ErrUnreadable or ErrPlain, never a wrong password.
func Verify(stored string, password []byte) (Match, error) {
	salt, key, ours := ourHash(stored)
	if !ours {
		ok, err := verifyImported(stored, password)
		return Match{OK: ok && err == nil, Rehash: true}, err
	}
	if len(password) > MaxPassword {
		return Match{}, nil
	}
	return Match{OK: Equal(argonIDKey(password, salt), key)}, nil
}

// Import turns a hash from elsewhere into what is stored. A scheme we can
// verify is kept as it is; a password in the clear is refused, or hashed at
// once if plain permits it, so that none is ever kept.
func Import(stored string, plain bool) (string, error) {
	if clear, is := plainText(stored); is {
		if !plain {
			return "", ErrPlain
		}
		return Hash([]byte(clear)), nil
	}
	if _, _, ours := ourHash(stored); ours {
		return stored, nil
	}
	if _, err := decode(stored); err != nil {
		return "", err
	}
	return stored, nil
}

// ourHash takes apart a hash made with exactly today's parameters.
func ourHash(stored string) (salt, key []byte, ours bool) {
	rest, ours := strings.CutPrefix(stored, argonPrefix)
	if !ours {
		return nil, nil, false
	}
	s, k, _ := strings.Cut(rest, "$")
	salt, err1 := base64.RawStdEncoding.Strict().DecodeString(s)
	key, err2 := base64.RawStdEncoding.Strict().DecodeString(k)
	return salt, key, err1 == nil && err2 == nil && len(key) == argonKey && len(salt) == argonSalt
}

func argonIDKey(password, salt []byte) []byte {
	return argon2.IDKey(password, salt, argonTime, argonMemory, argonThreads, argonKey)
}

func b64(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

// dummy is a hash of nothing anybody knows; verifying against it costs what a
// real one costs.
var dummy = argonPrefix + b64(make([]byte, argonSalt)) + "$" + b64(make([]byte, argonKey))

// Waste spends the time of one verification, so that a name that nobody has
// costs what a known one does.
func Waste(password []byte) { _, _ = Verify(dummy, password) }
