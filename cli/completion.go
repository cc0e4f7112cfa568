package cli

import (
	"embed"
	"strings"
)

// What each shell reads to complete runnel's words.
//
//go:embed completion
var completionScripts embed.FS

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Your shell: bash, zsh or fish."`
}

// Help ends with examples.
func (completionCmd) Help() string {
	return "Prints what makes a shell complete commands, flags, the names of deployments, work pools, queues, " +
		"schedules and runs, and the parameters of a deployment with their values. For every new shell:\n\n" +
		"in bash, in ~/.bashrc, and in zsh, in ~/.zshrc: eval \"$(runnel completion bash)\", or zsh;\n\n" +
		"in fish: runnel completion fish > ~/.config/fish/completions/runnel.fish\n\n" +
		"Examples:\n  runnel completion bash\n  runnel completion fish"
}

func (c completionCmd) Run(a *app) error {
	text, err := completionScripts.ReadFile("completion/" + c.Shell)
	if err != nil {
		return err
	}
	_, err = a.Out.Write(text)
	return err
}

// completeBash completes a line of bash's up to the cursor. Bash replaces only
// what stands behind the last of its word breaks, as := are, so that much of
// each word is left out; and it quotes nothing.
func (a *app) completeBash(line, current string) {
	words, last, quoted := splitLine(line)
	if len(words) > 0 {
		words = words[1:] // runnel itself
	}
	cut := 0
	if strings.HasSuffix(last, current) {
		cut = len(last) - len(current)
	}
	for _, c := range a.candidates(append(words, last)) {
		word := c.word[min(cut, len(c.word)):]
		if !quoted {
			word = bashSpecial().ReplaceAllString(word, `\$0`)
		}
		a.print("%s", word)
	}
}

// bashSpecial is what a word must not hold bare.
var bashSpecial = lazily(`[^\p{L}\p{N}_./:=,+@%^-]`)

// splitLine parts a line into words as a shell does, and gives the last one,
// at whose end the cursor is, apart, and whether that is in quotes. What a variable would hold it cannot know.
func splitLine(line string) (words []string, last string, quoted bool) {
	var word strings.Builder
	var quote rune
	escaped, inWord := false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, inWord = r, true
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n'):
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	return words, word.String(), quote != 0
}
