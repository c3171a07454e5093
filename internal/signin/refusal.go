package signin

import "fmt"

// Refusal says why a credential proves nothing. Detail is for administrators
// and holds nothing secret. Any other error of what checks credentials means
// that it could not be found out.
type Refusal struct {
	Code   Code
	Detail string
}

// Refuse makes a refusal.
func Refuse(code Code, format string, args ...any) error {
	return &Refusal{code, fmt.Sprintf(format, args...)}
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s", r.Code, r.Detail) }

// WrongSecret says that a secret was compared and was wrong, which is what a
// guard counts; anything else tells a guesser nothing.
func (r *Refusal) WrongSecret() bool {
	switch r.Code {
	case WrongCredentials, UserUnknown, FactorFailed, AppPasswordUnknown:
		return true
	}
	return false
}
