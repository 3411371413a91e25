from latentguard.beliefs.table import html_table, signed


def test_everything_in_a_table_is_escaped_and_inert():
    poison = "<script>alert(1)</script>\x1b[31m\u202e&"
    html = html_table((poison,), [(poison,)], caption=poison)
    assert "<script>" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert html.count("&lt;script&gt;") == 3


def test_no_caption_no_element():
    assert "caption" not in html_table(("a",), [("b",)])


def test_a_belief_has_its_sign_and_none_its_word():
    assert (signed(0.5), signed(-0.25), signed(None)) == ("+0.500", "-0.250", "unavailable")
