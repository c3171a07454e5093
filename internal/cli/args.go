package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/portreeve/portreeve/internal/span"
	"github.com/portreeve/portreeve/internal/spelling"
)

// fitting says in our words what of a command's arguments is missing or too
// much, with the line that shows how it is used.
func fitting(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if check(cmd, given) == nil {
			return nil
		}
		needed, most := operands(cmd.Use)
		if len(given) < len(needed) {
			missing := needed[len(given):]
			verb := "is"
			if len(missing) > 1 {
				verb = "are"
			}
			return misused(cmd, "%s %s missing", strings.Join(missing, " and "), verb)
		}
		return misused(cmd, "%q is one word too many; a name of several words stands in quotes", given[min(most, len(given)-1)])
	}
}

// misused is a command line that is not understood, with how it is meant.
func misused(cmd *cobra.Command, format string, args ...any) error {
	return &failure{exit: exitUsage, what: fmt.Sprintf(format, args...) + "\n  usage: " + strings.TrimSuffix(cmd.UseLine(), " [flags]"),
		next: fmt.Sprintf("`%s --help` tells more", cmd.CommandPath())}
}

// operands are the words of a use line that must be given, and how many may be.
func operands(use string) (needed []string, most int) {
	words := strings.Fields(use)[1:]
	for i := 0; i < len(words); i++ {
		word := words[i]
		if strings.HasPrefix(word, "--") {
			i++ // its value is the flag's
			continue
		}
		if most++; !strings.HasPrefix(word, "[") {
			needed = append(needed, strings.TrimSuffix(word, "…"))
		}
	}
	return needed, most
}

// alike are verbs that people try for one another.
var alike = [][]string{
	{"add", "new", "create", "make", "issue", "import", "allow"}, {"delete", "remove", "rm", "del", "revoke", "withdraw", "kill", "cut"},
	{"list", "ls", "all"}, {"show", "get", "describe", "info", "view"}, {"set", "change", "edit", "update", "modify"}, {"approve", "allow", "grant", "accept"},
	{"deny", "reject", "refuse"},
}

// noCommand says which of a noun's commands was probably meant, and which there are.
func noCommand(cmd *cobra.Command, typed string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			names = append(names, c.Name())
		}
	}
	slices.Sort(names)
	hint := spelling.DidYouMean(typed, names)
	for _, words := range alike {
		if hint == "" && slices.Contains(words, strings.ToLower(typed)) {
			for _, w := range words {
				if hint == "" && slices.Contains(names, w) {
					hint = "; did you mean " + w + "?"
				}
			}
		}
	}
	return &failure{exit: exitUsage, what: fmt.Sprintf("there is no command %q%s", cmd.CommandPath()+" "+printable(typed), hint),
		next: fmt.Sprintf("there are %s; `%s --help` says what they do", strings.Join(names, ", "), cmd.CommandPath())}
}

// cobra's own complaints about flags, which are told in our words.
var (
	unknownFlag   = regexp.MustCompile(`^unknown (?:shorthand )?flag: ('.' in )?(-\S+)`)
	needsValue    = regexp.MustCompile(`^flag needs an argument: (?:'.' in )?(-\S+)`)
	wrongValue    = regexp.MustCompile(`(?s)^invalid argument "(.*)" for "(?:-., )?(--[^"]+)" flag: (.*)$`)
	requiredFlags = regexp.MustCompile(`^required flag\(s\) (.*) not set`)
	onlyOneOf     = regexp.MustCompile(`^if any flags in the group \[(.*?)\] are set none of the others can be; \[(.*?)\] were all set`)
)

// inOurWords turns cobra's complaint about the command line into ours; every
// other error stays as it is.
func inOurWords(cmd *cobra.Command, err error) error {
	text := err.Error()
	if m := unknownFlag.FindStringSubmatch(text); m != nil {
		hint := spelling.DidYouMean(m[2], flagNames(cmd))
		if hint == "" && cmd.HasParent() {
			for _, sister := range cmd.Parent().Commands() {
				if "--"+sister.Name() == m[2] {
					hint = "; `" + sister.CommandPath() + "` does that"
				}
			}
		}
		return misused(cmd, "there is no flag %s%s", m[2], hint)
	}
	if m := needsValue.FindStringSubmatch(text); m != nil {
		return misused(cmd, "%s needs a value%s", m[1], meaning(cmd, m[1]))
	}
	if m := wrongValue.FindStringSubmatch(text); m != nil {
		return misused(cmd, "%s", wrongFor(m[2], m[1], m[3]))
	}
	if m := requiredFlags.FindStringSubmatch(text); m != nil {
		names := strings.Split(strings.ReplaceAll(m[1], `"`, ""), ", ")
		return misused(cmd, "--%s is missing%s", strings.Join(names, " and --"), meaning(cmd, "--"+names[0]))
	}
	if m := onlyOneOf.FindStringSubmatch(text); m != nil {
		return misused(cmd, "say one of --%s, not several", strings.ReplaceAll(m[2], " ", ", --"))
	}
	return err
}

// wrongFor says what is wrong with a flag's value.
func wrongFor(flag, value, why string) string {
	switch {
	case strings.Contains(why, "strconv.ParseBool"):
		return fmt.Sprintf("%s stands alone or is true or false, not %q", flag, value)
	case strings.Contains(why, "strconv.") && strings.HasSuffix(why, "out of range"):
		return fmt.Sprintf("%s: %s is too large", flag, value)
	case strings.Contains(why, "strconv."):
		return fmt.Sprintf("%s is a whole number, not %q", flag, value)
	}
	return flag + ": " + why
}

// meaning is what a flag is for, as its help says it.
func meaning(cmd *cobra.Command, name string) string {
	if f := cmd.Flags().Lookup(strings.TrimLeft(name, "-")); f != nil {
		_, text := pflag.UnquoteUsage(f)
		return ": " + text
	}
	return ""
}

func flagNames(cmd *cobra.Command) (names []string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return names
}

// days is a flag that counts days: 30, since its name says what of, or 30d,
// 12w and 1y as everywhere.
type days int

func (d *days) Set(s string) error {
	if n, err := strconv.Atoi(s); err == nil {
		*d = days(n)
		return nil
	}
	n, err := span.Days(s)
	*d = days(n)
	return err
}

func (d *days) String() string { return strconv.Itoa(int(*d)) }

// Type is what the help calls its value.
func (d *days) Type() string { return "days" }
