package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"shomei/cmd/cli"
	"shomei/pkg/warehouse"
)

// ddlCommand prints the statements that create the tables, and their readers' roles, on your own ClickHouse server or
// cluster.
func (a *app) ddlCommand() *cobra.Command {
	var database, cluster string
	var prefectures []string
	cmd := &cobra.Command{
		Use: "ddl", Short: "ClickHouse サーバー用の表と権限の定義 (tables, roles and row policies for a ClickHouse server or cluster)",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tables, err := warehouse.DDL(database, cluster)
			if err != nil {
				return err
			}
			access, err := warehouse.AccessDDL(database, cluster, prefectures)
			if err != nil {
				return cli.Usage("--prefectures: %v", err)
			}
			for _, statement := range append(tables, access...) {
				fmt.Fprintf(cmd.OutOrStdout(), "%s;\n\n", statement)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&database, "database", "shomei", "データベースの名前 (name of the database)")
	cmd.Flags().StringVar(&cluster, "cluster", "", "クラスターの名前、なければ1台 (name of the cluster; empty: one server)")
	cmd.Flags().StringSliceVar(&prefectures, "prefectures", nil, "都道府県ごとの役割、例 12,13 (a role that sees one prefecture, for each code)")
	return cmd
}
