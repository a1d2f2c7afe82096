"""Makes fonts/made/: the fonts as pages get them, from the files beside that folder (see `tfviz.figures.fonts`).

python -m tfviz.assets.make_fonts
"""

from tfviz.figures import fonts

if __name__ == "__main__":
    for font in fonts.FONTS:
        font.made.parent.mkdir(exist_ok=True)
        font.made.write_bytes(fonts.make(font))
        if font.drawn != font.made:
            font.drawn.write_bytes(fonts.make_whole(font))
        for path in dict.fromkeys((font.made, font.drawn)):
            print(path.name, path.stat().st_size)
