// A table with a caption for screen readers. On a phone, columns that are not needed to find one's way are left out.
import type { ComponentChildren } from "preact";

export interface Column<Row> {
  name: string;
  show: (row: Row) => ComponentChildren;
  number?: boolean;
  /** Left out where there is little room. */
  wide?: boolean;
}

interface Props<Row> {
  caption: string;
  columns: Column<Row>[];
  rows: Row[];
  id: (row: Row) => string;
  empty: ComponentChildren;
}

const kind = (column: { number?: boolean; wide?: boolean }): string =>
  `${column.number ? "number" : ""}${column.wide ? " wide" : ""}`.trim();

export function Table<Row>({ caption, columns, rows, id, empty }: Props<Row>) {
  if (!rows.length) return <p class="empty">{empty}</p>;
  return (
    <div class="scroll" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.name} scope="col" class={kind(column)}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={id(row)}>
              {columns.map((column, at) =>
                at === 0 ? (
                  <th key={column.name} scope="row" class={kind(column)}>
                    {column.show(row)}
                  </th>
                ) : (
                  <td key={column.name} class={kind(column)}>
                    {column.show(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
