package config

import (
	"errors"

	"github.com/portreeve/portreeve/internal/policyfile"
	"github.com/portreeve/portreeve/internal/web"
)

// languages reads the site's own language files. Their faults are told with
// their own lines.
func (k *checker) languages() {
	_, lacks, err := web.OpenLanguages(web.LanguageOptions{Folder: string(k.c.Languages.Folder), Standard: k.c.Languages.Default})
	for _, l := range lacks {
		k.warn("/languages/folder", "%s", l)
	}
	for _, err := range single(err) {
		var f *policyfile.Fault
		switch {
		case errors.As(err, &f):
			k.found = append(k.found, Problem{Text: f.Brief(), where: f})
		case errors.Is(err, web.ErrNoLanguage):
			k.wrong("/languages/default", "%v", err)
		default:
			k.wrong("/languages/folder", "%v", err)
		}
	}
}

// single takes joined errors apart.
func single(err error) (all []error) {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	for _, e := range joined.Unwrap() {
		all = append(all, single(e)...)
	}
	return all
}
