package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/cmd/shomei-lab/story"
	"shomei/cmd/shomei-lab/story/player"
)

// storyCommand plays stories on a centre and counters of their own.
func (a *app) storyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "story", Short: "物語を演じる (play a life written as plain text, and say what came out otherwise than it expects)",
		Long: story.Help(),
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var out, data, agent string
	run := &cobra.Command{
		Use: "run FILE…", Short: "物語を実際の部品で演じる (each in a data folder of its own; exit code 3 when an expectation fails)",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			return a.runStories(cmd.Context(), files, stage{out: out, data: data, agent: agent}, cmd.OutOrStdout())
		},
	}
	run.Flags().StringVar(&out, "out", "", "leave certificates, lists, cards, mails, events and report in OUT/<story>/")
	run.Flags().StringVar(&data, "keep", "", "keep the data folders in KEEP/<story>/ instead of throwing them away")
	run.Flags().StringVar(&agent, "agent", "", "the counter's program (default: shomei-agent beside this one)")
	check := &cobra.Command{
		Use: "check FILE…", Short: "物語を読むだけで確かめる (read stories without playing them)", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error {
			_, err := readStories(files)
			return err
		},
	}
	cmd.AddCommand(run, check)
	return cmd
}

// stage says where stories are played and what they leave.
type stage struct{ out, data, agent string }

func readStories(files []string) ([]*story.Story, error) {
	var all []*story.Story
	var wrong []error
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			return nil, cli.Usage("opening a story: %w", err)
		}
		s, err := story.Parse(file, name)
		file.Close()
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		all = append(all, s)
	}
	if len(wrong) > 0 {
		return nil, cli.Usage("%w", unreadable{errors.Join(wrong...)})
	}
	return all, nil
}

// unreadable is the error for stories with mistakes.
type unreadable struct{ error }

func (u unreadable) Unwrap() error { return u.error }

// Explain lists each mistake on its own line.
func (u unreadable) Explain(lang string) string {
	header := story.Text{JA: "物語に読めないところがあります。示された行を直してください。書き方は shomei-lab story --help にあります。", EN: "the story can't be read:"}
	lines := []string{header.In(lang)}
	for _, mistake := range story.Mistakes(u.error) {
		lines = append(lines, mistake.In(lang))
	}
	return strings.Join(lines, "\n")
}

func (a *app) runStories(ctx context.Context, files []string, at stage, out io.Writer) error {
	all, err := readStories(files)
	if err != nil {
		return err
	}
	if one, other := sameName(files); at.out != "" && one != "" {
		return cli.Usage("%s and %s would both be left in %s: rename one, or play them apart",
			one, other, filepath.Join(at.out, nameOf(one)))
	}
	if at.agent == "" {
		if at.agent, err = cli.Beside("shomei-agent"); err != nil {
			return err
		}
	}
	var failed []string
	var broken []error
	for _, s := range all {
		report, err := a.playStory(ctx, s, at, out)
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			broken = append(broken, err) // the other stories are played all the same
			continue
		}
		failed = append(failed, failures(report, a.Lang)...)
	}
	if len(failed) > 0 {
		said := story.Text{JA: "\n外れた期待: %d件\n%s\n", EN: "\n%d expectations failed:\n%s\n"}
		fmt.Fprintf(out, said.In(a.Lang), len(failed), strings.Join(failed, "\n"))
	}
	switch {
	case len(broken) > 0:
		return errors.Join(broken...)
	case len(failed) > 0:
		return cli.Exit(cli.Found, nil)
	}
	return nil
}

// sameName returns two files whose stories would share a folder, or "".
func sameName(files []string) (one, other string) {
	seen := make(map[string]string)
	for _, file := range files {
		if before := seen[nameOf(file)]; before != "" {
			return before, file
		}
		seen[nameOf(file)] = file
	}
	return "", ""
}

// nameOf returns the name of a story's folder: its file's name without the extension.
func nameOf(file string) string { return strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)) }

func (a *app) playStory(ctx context.Context, s *story.Story, at stage, out io.Writer) (report *player.Report, err error) {
	logger, err := a.Logger()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(at.data, nameOf(s.File))
	if at.data == "" {
		if folder, err = os.MkdirTemp("", "story"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(folder)
	} else if _, err := os.Stat(folder); err == nil {
		return nil, cli.Usage("%s exists: a story begins with nothing, so give another folder", folder)
	}
	w, err := player.Build(ctx, folder, at.agent, s.Begin(), logger)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	w.Lang = a.Lang
	report, err = player.Play(ctx, s, w, out)
	if err == nil && at.out != "" {
		err = w.Export(ctx, filepath.Join(at.out, nameOf(s.File)), report)
	}
	if err == nil {
		said := story.Text{JA: "\n%s: 文 %d、期待どおり %d / %d、%d ミリ秒\n", EN: "\n%s: %d steps, %d of %d expectations met, %d ms\n"}
		fmt.Fprintf(out, said.In(a.Lang), s.File, len(report.Steps), report.Expected-report.Failed, report.Expected, report.Milliseconds)
	}
	return report, err
}

// failures lists each failed expectation with its line, what was expected and what was seen.
func failures(r *player.Report, lang string) []string {
	said := story.Text{JA: "  %s:%d: 期待は %s。実際は %s", EN: "  %s:%d: expected %s; seen %s"}.In(lang)
	var list []string
	for _, step := range r.Steps {
		for _, e := range step.Expectations {
			if !e.OK {
				list = append(list, fmt.Sprintf(said, r.Story, e.Line, e.Expected, e.Seen))
			}
		}
	}
	return list
}
