"""The catalogue of translations: what the source asks for, what the .po file answers. No GNU gettext needed."""
