// Package config reads the one configuration file into typed options. The
// file is YAML; an unknown key, a wrong type or a value out of its list is
// refused with the line, a caret and what was probably meant. The comments of
// the structs are the manual: Describe and docs/configuration.md print them.
//
// It only reads and checks (Load, Check); nothing is opened or started.
package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/portreeve/portreeve/internal/policyfile"
)

// Load reads the file, puts PORTREEVE_* of the environment (as os.Environ
// gives it) over it, and fills in the defaults. All faults are returned,
// joined, each with its place.
func Load(path string, environ []string) (*Config, error) {
	docs, err := policyfile.Read(path, strings.NewReader(""))
	if err != nil {
		return nil, err
	}
	return load(path, docs, environ)
}

// Parse is Load for a text already at hand; dir is what relative files are
// relative to.
func Parse(name, dir string, text []byte, environ []string) (*Config, error) {
	docs, err := policyfile.Parse(name, text)
	if err != nil {
		return nil, err
	}
	return load(filepath.Join(dir, name), docs, environ)
}

func load(path string, docs []*policyfile.Document, environ []string) (*Config, error) {
	if len(docs) == 0 {
		docs, _ = policyfile.Parse(path, []byte("{}"))
	}
	if len(docs) > 1 {
		return nil, docs[1].Fault("", "a configuration is one document, without ---")
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("finding the folder of %s: %w", path, err)
	}
	d := newDecoder(docs[0], dir, environ)
	d.hide(docs[0].Root, reflect.TypeFor[Config]())
	d.overlay()
	c := defaults()
	d.config(&c)
	if len(d.faults) > 0 {
		return nil, errors.Join(d.faults...)
	}
	c.doc, c.origins, c.problems = docs[0], d.origins, d.problems
	c.fill()
	return &c, nil
}

// Default is what holds without a file.
func Default() *Config {
	c := defaults()
	c.fill()
	return &c
}
