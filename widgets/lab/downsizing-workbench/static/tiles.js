// Tiles in JupyterLab's launcher: each opens one of the notebooks. Written by hand, as JupyterLab loads such files, so
// that no build step is needed: a container that is asked for "./extension" and takes JupyterLab's modules from it.

(() => {
  const NAME = "downsizing-workbench";
  const CATEGORY = "Downsizing Workbench";
  const OPEN = `${NAME}:open`;
  const DASHBOARDS = [
    ["workbench.ipynb", "Workbench", "Sliders, and what a smaller network costs, measured"],
    ["stakeholder.ipynb", "For stakeholders", "Five questions in plain words, answered from stored results"],
    ["compare.ipynb", "Compare", "Two networks side by side: what the smaller one forgot"],
  ];
  const ICON =
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161">' +
    '<path d="M3 3h5v18H3zM10 9h5v12h-5zM17 15h5v6h-5z"/></g></svg>';

  // names of what is in a folder, none where there is no such folder
  async function names(contents, folder) {
    try {
      return (await contents.get(folder)).content.map((each) => each.name).sort();
    } catch {
      return [];
    }
  }

  // the tiles of the notebooks that are there: the server may have the notebooks as its root, or the whole repository
  async function tiles(contents) {
    const root = await names(contents, "");
    const base = root.includes("dashboards") || !root.includes("notebooks") ? "" : "notebooks/";
    const top = base ? await names(contents, "notebooks") : root;
    const there = top.includes("dashboards") ? await names(contents, `${base}dashboards`) : [];
    const lessons = top.includes("lessons") ? await names(contents, `${base}lessons`) : [];
    const found = DASHBOARDS.filter(([file]) => there.includes(file)).map(([file, label, caption]) => {
      return { label, caption, path: `${base}dashboards/${file}` };
    });
    const first = lessons.find((file) => file.endsWith(".ipynb"));
    const caption = "The first lesson, and all others beside it";
    if (first) found.splice(1, 0, { label: "Lessons", caption, path: `${base}lessons/${first}`, folder: `${base}lessons` });
    return found;
  }

  async function activate(app, launcher, LabIcon) {
    const icon = new LabIcon({ name: `${NAME}:tile`, svgstr: ICON });
    app.commands.addCommand(OPEN, {
      label: (args) => args.label ?? "Open a notebook of the workbench",
      caption: (args) => args.caption ?? "",
      icon,
      execute: async ({ path, folder }) => {
        if (folder) await app.commands.execute("filebrowser:go-to-path", { path: `/${folder}`, dontShowBrowser: true });
        return app.commands.execute("docmanager:open", { path });
      },
    });
    (await tiles(app.serviceManager.contents)).forEach((args, rank) => {
      launcher.add({ command: OPEN, args, category: CATEGORY, rank });
    });
  }

  let scope;
  // a module that JupyterLab shares; it has exactly one version of those asked for here
  const shared = async (name) => (await Object.values(scope[name])[0].get())();

  const extension = async () => {
    const { ILauncher } = await shared("@jupyterlab/launcher");
    const { LabIcon } = await shared("@jupyterlab/ui-components");
    const plugin = {
      id: `${NAME}:tiles`,
      description: "Tiles for the notebooks of the workbench.",
      autoStart: true,
      optional: [ILauncher],
      // not waited for: JupyterLab shows itself first
      activate: (app, launcher) => {
        if (launcher) app.restored.then(() => activate(app, launcher, LabIcon));
      },
    };
    return () => ({ __esModule: true, default: plugin });
  };

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB[NAME] = {
    init: (given) => { scope = given; },
    get: (module) => {
      if (module === "./extension") return extension();
      return Promise.reject(new Error(`there is no ${module} in ${NAME}`));
    },
  };
})();
