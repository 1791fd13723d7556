"""The sliders: one box for each technique that answers while one drags, made from the fields it declares."""

from __future__ import annotations

import ipywidgets as ipw

from widgets.form import StepForm
from widgets.panels._panel import Alert, Panel, buttons
from widgets.state import AppState
from widgets.text import escape, quantity
from workbench.ahead import Ahead
from workbench.errors import Refused
from workbench.recipe import Recipe, Step, place_
from workbench.registry import techniques


class RecipePanel(Panel):
    """Techniques in the order in which they are applied. A recipe can be copied from here and pasted elsewhere.

    `only` names the techniques that are offered, where it is not all of them; others in the recipe stay as they are.
    """

    title = "Recipe"

    def __init__(self, state: AppState | None = None, only: tuple[str, ...] = ()) -> None:
        self._only = tuple(techniques.get(name).name for name in only)
        super().__init__(state)

    def build(self) -> None:
        offered = (t for t in techniques if not t.trains and (not self._only or t.name in self._only))
        dragged = sorted(offered, key=lambda t: t.order)
        self.forms = {technique.name: StepForm(technique) for technique in dragged}
        self.reset = ipw.Button(description="Start again", tooltip="Switch every technique off")
        self.text = ipw.Textarea(description="", layout={"width": "100%", "height": "150px"})
        self.apply = ipw.Button(description="Apply the text", tooltip="Set the sliders to this recipe")
        self._alert = Alert()
        self._extra = ipw.HTML()
        self._ahead = ipw.HTML()
        self._shown = ipw.ToggleButton(description="Recipe as text", value=False, tooltip="Copy or paste it")
        self._shown.add_class("dsw-link")
        self._text_box = ipw.VBox([self.text, buttons(self.apply), self._alert])
        self.show(*self.forms.values(), self._extra, self._ahead, buttons(self.reset, self._shown), self._text_box)
        self._writing = False
        for form in self.forms.values():
            form.observe(lambda _: self._read(), "value")
        self.reset.on_click(lambda _: self.state.put(recipe=Recipe()))
        self.apply.on_click(lambda _: self._paste())
        self._shown.observe(lambda _: self._fold(), "value")
        self._fold()
        self.follow(self._write, ["recipe"])
        self.follow(self._offer, ["layers"])
        self.follow(self._tell, ["ahead"])

    def _read(self) -> None:
        """From the forms to the state. Steps keep the order of the recipe; new ones go where they belong."""
        if self._writing or any(form.error for form in self.forms.values()):
            return
        wanted = {name: form.value for name, form in self.forms.items() if form.value is not None}
        steps: list[Step] = []
        for index, step in enumerate(self.state.recipe.steps):
            if self._repeats(index) or self._withheld(step):
                steps.append(step)
            elif step.name in wanted:
                steps.append(wanted.pop(step.name))
        for step in wanted.values():
            place_(steps, step)
        self.state.put(recipe=Recipe(tuple(steps)))

    def _write(self) -> None:
        """From the state to the forms."""
        recipe = self.state.recipe
        self._writing = True
        try:
            for name, form in self.forms.items():
                step = next((s for s in recipe.steps if s.name == name), None)
                if form.value != step:
                    form.value = step
        finally:
            self._writing = False
        self.text.value = recipe.to_json()
        self._alert.tell("")
        trained = [step for step in recipe.steps if step.trains]
        withheld = [step for step in recipe.steps if self._withheld(step)]
        repeated = [step for i, step in enumerate(recipe.steps) if self._repeats(i) and not self._withheld(step)]
        self._extra.value = _also("This recipe also trains", trained, "Moving a slider leaves that out.") + _also(
            "It also repeats", repeated, "The sliders leave that as it is."
        )
        self._extra.value += _also("It also has", withheld, "There are no sliders for that here.")

    def _repeats(self, index: int) -> bool:
        """Whether this step of the recipe is of a technique whose form shows an earlier one."""
        steps = self.state.recipe.steps
        return not steps[index].trains and any(steps[index].name == step.name for step in steps[:index])

    def _withheld(self, step: Step) -> bool:
        """Whether this step has no form here, although it could have one."""
        return not step.trains and step.name not in self.forms

    def _offer(self) -> None:
        for form in self.forms.values():
            form.layers = self.state.layers

    def _tell(self) -> None:
        self._ahead.value = f'<p class="dsw-quiet dsw-line">{ahead_text(self.state.ahead)}</p>'

    def _paste(self) -> None:
        try:
            self.state.put(recipe=Recipe.from_json(self.text.value))
        except Refused as refusal:
            self._alert.tell(str(refusal))

    def _fold(self) -> None:
        self._text_box.layout.display = None if self._shown.value else "none"


def ahead_text(ahead: Ahead | None) -> str:
    """Return how far the preparing of slider positions has come."""
    if ahead is None or ahead.of == 0 or (ahead.done == ahead.of and not ahead.trace_bytes):
        return ""
    share = "Sliders prepared" if ahead.done == ahead.of else f"{ahead.done} of {ahead.of} slider positions prepared"
    return f"{share}, {quantity(ahead.trace_bytes, 'bytes')}" if ahead.trace_bytes else share


def _also(what: str, steps: list[Step], then: str) -> str:
    words = escape(" → ".join(map(str, steps)))
    return f'<p class="dsw-quiet">{what}: {words}. {then}</p>' if steps else ""
