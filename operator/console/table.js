// Tables: columns are {head, cell(row), field, number, long, cut}; field is what the gateway can sort by.

export function element(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) e.setAttribute(key, value === true ? "" : value);
  }
  e.append(...children);
  return e;
}

const kinds = (c) => [c.number && "number", c.long && "long", c.cut && "cut"].filter(Boolean).join(" ") || null;

// draw fills a table. order is {field, falling}; sort is called with another one.
export function draw(table, columns, rows, order, sort) {
  const had = document.activeElement?.closest("table") === table ? document.activeElement.dataset.focus : null;
  const head = element("tr", {}, ...columns.map((c) => {
    const sorted = order && c.field === order.field;
    const title = !c.field || !sort ? c.head : element("button", {
      type: "button", "data-focus": "sort-" + c.field,
      onclick: () => sort({ field: c.field, falling: sorted ? !order.falling : Boolean(c.number) }),
    }, c.head + (sorted ? (order.falling ? " ▼" : " ▲") : ""));
    return element("th", { scope: "col", class: kinds(c), "aria-sort": sorted && (order.falling ? "descending" : "ascending") }, title);
  }));
  const body = rows.length ? rows.map((row) => element("tr", {}, ...columns.map((c) => element("td", { class: kinds(c), title: c.cut && c.cell(row) }, c.cell(row) ?? ""))))
    : [element("tr", {}, element("td", { colspan: columns.length, class: "quiet" }, "none"))];
  table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
  if (had) table.querySelector(`[data-focus="${CSS.escape(had)}"]`)?.focus();
}

const pageSize = 50;

// List is a table whose rows the gateway filters, sorts and cuts into pages.
export class List {
  constructor(name, columns, order, load) {
    Object.assign(this, { name, columns, order, load, offset: 0, filters: {} });
    this.table = document.querySelector(`table[data-list="${name}"]`);
    this.pager = document.querySelector(`.pager[data-list="${name}"]`);
    this.form = document.querySelector(`form[data-list="${name}"]`);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.take();
      history.replaceState(null, "", "#" + this.form.closest("section").id); // what a link has said counts no more, and it may be followed again
      this.changed();
    });
  }

  // filter fills the form with these filters, and no others. The page is to be shown anew.
  filter(values) {
    this.form.reset();
    for (const [name, value] of values) {
      const field = this.form.elements.namedItem(name);
      if (field) field.value = value;
    }
    this.take();
  }

  // take filters by what is in the form.
  take() {
    this.filters = Object.fromEntries(new FormData(this.form));
    this.offset = 0;
  }

  turn(offset) {
    this.offset = offset;
    this.changed();
  }

  // show asks for the page and draws it. changed, which the owner sets, is called when another is wanted.
  async show() {
    const { rows, total } = await this.load({
      ...this.filters, sort: (this.order.falling ? "-" : "") + this.order.field, offset: this.offset, limit: pageSize,
    });
    draw(this.table, this.columns, rows, this.order, (order) => {
      this.order = order;
      this.turn(0);
    });
    const last = Math.min(this.offset + rows.length, total);
    const button = (text, to, off) => element("button", { type: "button", disabled: off, onclick: () => this.turn(to) }, text);
    this.pager.replaceChildren(
      button("Previous", Math.max(0, this.offset - pageSize), this.offset === 0),
      total ? `${this.offset + 1} to ${last} of ${total}` : "none",
      button("Next", this.offset + pageSize, last >= total),
    );
  }
}
