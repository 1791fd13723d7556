"""What a smaller network has forgotten that another one knew: two networks on the same test images, one by one.

`compared` asks both networks once and counts the rest: which images flipped (`flips`), which classes and which groups
of images lost most (`parts`, `traits`), which confusions grew, whether the network is as sure as it may be
(`calibration`), and which of that crosses a line (`alarms`). `left` is the network of before, `right` that of after.

Intervals hold with 95 %. Where many classes, groups or confusions are looked at, all intervals of that kind hold
together with 95 % (Bonferroni): whoever looks for the worst of many would otherwise find one by luck alone.
That of a calibration error is wider than need be where there is an error; `calibration` says why.
"""
